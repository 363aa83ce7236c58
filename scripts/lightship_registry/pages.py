"""The pages at the addresses of links that have no route: waiting room, tombstone, and one page for all the rest."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp

from lightship_registry import audit, waiting, words
from lightship_registry.calls import address_of
from lightship_registry.errors import RegistryError
from lightship_registry.events import Events, EventStream
from lightship_registry.links import Links
from lightship_registry.looks import Looks
from lightship_registry.names import is_name
from lightship_registry.proofs import proven_token, remember
from lightship_registry.records import ENDED, Cause, Ending, Link
from lightship_registry.tombstones import epitaph
from lightship_registry.trouble import explain

REFRESH_SECONDS = 3
CANCELLED = Ending(Cause.CANCELLED, "Cancelled on its page.")

# Link and the viewer's token, which is empty unless it is this link's.
Handler = Callable[[Request, Link | None, str], Awaitable[ASGIApp]]


class Pages:
    """Answers for every host but the API's."""

    def __init__(self, links: Links) -> None:
        self._links = links
        self._suffix = f".{links.settings.domain}"
        self.events = Events(links.store.find, links.clock)
        self._looks = Looks()
        self._headers = self._looks.headers()
        self._gone = self._looks.render("gone.html")

    async def answer(self, request: Request) -> ASGIApp:
        """What is at this host; the web server names the two paths that are more than the page."""
        handler, methods = self._handler(request.scope["path"])
        if request.method not in methods:
            allowed = {**self._headers, "Allow": ", ".join(methods)}
            return PlainTextResponse(f"Only {' and '.join(methods)}.\n", 405, allowed)
        try:
            # One small lookup and one comparison for every name, so that the time taken tells nothing either.
            name = self._name_of(request.headers.get("host", ""))
            state, token_sha256 = await run_in_threadpool(self._links.store.glance, name)
            token = proven_token(request, token_sha256)
            # A link that came without a hash cannot tell its owner from others, and shows everybody that it waits.
            shown = token or (state not in ("", ENDED) and not token_sha256)
            link = await run_in_threadpool(self._links.store.find, name) if shown else None
            return await handler(request, link, token)
        except (SQLAlchemyError, OSError, RegistryError) as error:
            audit.problem(f"page: {explain(error)}")
            return HTMLResponse(self._looks.render("trouble.html"), 500, self._headers)

    def _handler(self, path: str) -> tuple[Handler, tuple[str, ...]]:
        if path == "/events":
            return self._listen, ("GET",)
        if path == "/cancel":
            return self._cancel, ("POST",)
        return self._page, ("GET", "HEAD")

    async def _page(self, _request: Request, link: Link | None, token: str) -> Response:
        if link and token:
            response = self._tombstone(link) if link.state == ENDED else self._room(link)
            remember(response, token)
            return response
        if link and link.state != ENDED and not link.token_sha256:
            return self._wait("waiting.html", link, waiting.plain(link), self._headers)
        return self._nothing()

    def _nothing(self) -> Response:
        """Unknown, ended and foreign: one page, byte for byte, so that names cannot be told apart."""
        return HTMLResponse(self._gone, 404, self._headers)

    def _room(self, link: Link) -> Response:
        state = waiting.state_of(link, self._links.clock())
        return self._wait("room.html", link, state, self._looks.headers(live=True, form=True))

    def _wait(self, template: str, link: Link, state: dict[str, str], headers: dict[str, str]) -> Response:
        message = self._links.settings.message
        page = self._looks.render(template, link=link, state=state, message=message, refresh=REFRESH_SECONDS)
        return HTMLResponse(page, 503, {**headers, "Retry-After": str(REFRESH_SECONDS)})

    def _tombstone(self, link: Link) -> Response:
        page = self._looks.render(
            "tombstone.html",
            link=link,
            epitaph=epitaph(link),
            ended=words.instant(link.ended_at),
            ended_text=words.hour(link.ended_at, self._links.clock()),
            ran=words.span(link.ended_at - link.ready_at) if link.ready_at else "",
            waited=words.span(link.ended_at - link.created_at),
            asked=words.span(link.seconds),
        )
        return HTMLResponse(page, 410, self._looks.headers(live=True))

    async def _listen(self, _request: Request, link: Link | None, token: str) -> ASGIApp:
        if link is None or not token:
            return self._nothing()
        later = {**self._headers, "Retry-After": str(REFRESH_SECONDS)}
        busy = PlainTextResponse("Too many listen. Load the page again now and then.\n", 503, later)
        return EventStream(self.events, link.name, self._headers, busy)

    async def _cancel(self, request: Request, link: Link | None, token: str) -> Response:
        if link is None or not token:
            return self._nothing()
        own = self._links.settings.origin(link.name)
        # The web server refuses these already. Neighbours are strangers, and cookies do not tell them apart.
        if request.headers.get("origin") != own:
            return PlainTextResponse("Refused: this came from a page at another address.\n", 403, self._headers)
        if link.state != ENDED:
            await run_in_threadpool(self._links.end, link, CANCELLED)
            who = (link.cluster, link.user, link.name, address_of(request) or "")
            audit.record(audit.Event("cancel", "ok", *who, reason=CANCELLED.reason))
        return RedirectResponse("/", 303, self._headers)

    def _name_of(self, host: str) -> str:
        label = bare_host(host).removesuffix(self._suffix)
        return label if is_name(label) else ""


def page_action(path: str) -> str:
    """What is asked for, in a word for the metrics."""
    return {"/events": "events", "/cancel": "page-cancel"}.get(path, "page")


def bare_host(host: str) -> str:
    """The host name of a Host header: lower case, without port and final dot."""
    return host.partition(":")[0].rstrip(".").lower()
