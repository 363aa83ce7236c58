"""The pages at the links' addresses: waiting room, the running notebook's, tombstone, and one for all the rest."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp

from lightship_registry import audit, running, waiting, words
from lightship_registry.calls import address_of
from lightship_registry.errors import RegistryError
from lightship_registry.events import ROOM, STATUS, Events, EventStream, View
from lightship_registry.links import Links
from lightship_registry.looks import Looks
from lightship_registry.names import is_name
from lightship_registry.proofs import proven_token, remembered
from lightship_registry.records import ANCESTOR, ENDED, READY, Cause, Ending, Link
from lightship_registry.tombstones import epitaph
from lightship_registry.trouble import explain

REFRESH_SECONDS = 3
STATUS_REFRESH_SECONDS = 60
CANCELLED = Ending(Cause.CANCELLED, "Cancelled on its page.")
ENDED_BY_OWNER = Ending(Cause.CANCELLED, "Ended on its page.")
READING = ("GET", "HEAD")

# Link and the viewer's token, which is empty unless it is this link's.
Handler = Callable[[Request, Link | None, str], Awaitable[ASGIApp]]


@dataclass(frozen=True)
class Place:
    """What answers at a path, to which methods; a public one shows everybody how far a link without a hash is."""

    handler: Handler
    methods: tuple[str, ...]
    public: bool = False


class Pages:
    """Answers for every host but the API's."""

    def __init__(self, links: Links) -> None:
        self._links = links
        self._suffix = f".{links.settings.domain}"
        self.events = Events(links.store.find, links.clock)
        self._looks = Looks()
        self._headers = self._looks.headers()
        self._gone = self._looks.render("gone.html")
        # As the web server calls them; every other path is the page's.
        self._places = {
            "/status": Place(self._status, READING),
            "/events": Place(self._listen_waiting, ("GET",)),
            "/running": Place(self._listen_running, ("GET",)),
            "/cancel": Place(self._cancel, ("POST",)),
            "/none": Place(self._none, READING),
        }
        self._page_place = Place(self._page, READING, public=True)

    async def answer(self, request: Request) -> ASGIApp:
        """What is at this host; the web server names the paths that are more than the page."""
        place = self._places.get(request.scope["path"], self._page_place)
        if request.method not in place.methods:
            allowed = {**self._headers, "Allow": ", ".join(place.methods)}
            return PlainTextResponse(f"Only {' and '.join(place.methods)}.\n", 405, allowed)
        try:
            # One small lookup and one comparison for every name, so that the time taken tells nothing either.
            name = self._name_of(request.headers.get("host", ""))
            state, token_sha256 = await run_in_threadpool(self._links.store.glance, name)
            token = proven_token(request, token_sha256)
            # A link that came without a hash cannot tell its owner from others, and shows everybody that it waits.
            shown = token or (place.public and state not in ("", ENDED) and not token_sha256)
            link = await run_in_threadpool(self._links.store.find, name) if shown else None
            return await place.handler(request, link, token)
        except (SQLAlchemyError, OSError, RegistryError) as error:
            audit.problem(f"page: {explain(error)}")
            return HTMLResponse(self._looks.render("trouble.html"), 500, self._headers)

    async def _page(self, _request: Request, link: Link | None, token: str) -> Response:
        """At any path of a link without a route."""
        if link and token:
            return remembered(self._tombstone(link) if link.state == ENDED else self._room(link), token)
        if link and link.state != ENDED and not link.token_sha256:
            state = await self._satellite(link) if link.api == ANCESTOR else waiting.plain(link)
            return self._wait("waiting.html", link, state, self._headers)
        return self._nothing()

    async def _satellite(self, link: Link) -> dict[str, str]:
        rests = await run_in_threadpool(self._links.rests_for, link.announced) if link.announced else 0.0
        return waiting.satellite(link, rests)

    async def _status(self, request: Request, link: Link | None, token: str) -> Response:
        """At the path that is never the notebook's own."""
        if link and token and link.state == READY:
            return remembered(self._running(link), token)
        return await self._page(request, link, token)

    async def _none(self, _request: Request, _link: Link | None, _token: str) -> Response:
        return self._nothing()

    def _nothing(self) -> Response:
        """Unknown, ended and foreign: one page, byte for byte, so that names cannot be told apart."""
        return HTMLResponse(self._gone, 404, self._headers)

    def _room(self, link: Link) -> Response:
        state = waiting.state_of(link, self._links.clock())
        return self._wait("room.html", link, state, self._looks.headers(live=True, form=True))

    def _running(self, link: Link) -> Response:
        state = running.state_of(link, self._links.clock())
        heartbeat = self._links.settings.heartbeat_seconds
        page = self._looks.render(
            "running.html", link=link, state=state, heartbeat=heartbeat, refresh=STATUS_REFRESH_SECONDS
        )
        return HTMLResponse(page, 200, self._looks.headers(live=True, form=True))

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

    async def _listen_waiting(self, _request: Request, link: Link | None, token: str) -> ASGIApp:
        return self._listen(link, token, ROOM)

    async def _listen_running(self, _request: Request, link: Link | None, token: str) -> ASGIApp:
        return self._listen(link, token, STATUS)

    def _listen(self, link: Link | None, token: str, view: View) -> ASGIApp:
        if link is None or not token:
            return self._nothing()
        later = {**self._headers, "Retry-After": str(REFRESH_SECONDS)}
        busy = PlainTextResponse("Too many listen. Load the page again now and then.\n", 503, later)
        return EventStream(self.events, link.name, view, self._headers, busy)

    async def _cancel(self, request: Request, link: Link | None, token: str) -> Response:
        if link is None or not token:
            return self._nothing()
        own = self._links.settings.origin(link.name)
        # The web server refuses these already. Neighbours are strangers, and cookies do not tell them apart.
        if request.headers.get("origin") != own:
            return PlainTextResponse("Refused: this came from a page at another address.\n", 403, self._headers)
        if link.state != ENDED:
            ending = ENDED_BY_OWNER if link.ready_at else CANCELLED
            await run_in_threadpool(self._links.end, link, ending)
            who = (link.cluster, link.user, link.name, address_of(request) or "")
            audit.record(audit.Event("cancel", "ok", *who, reason=ending.reason))
        return RedirectResponse("/", 303, self._headers)

    def _name_of(self, host: str) -> str:
        label = bare_host(host).removesuffix(self._suffix)
        return label if is_name(label) else ""


def page_action(path: str) -> str:
    """What is asked for, in a word for the metrics."""
    return {"/events": "events", "/running": "events", "/cancel": "page-cancel"}.get(path, "page")


def bare_host(host: str) -> str:
    """The host name of a Host header: lower case, without port and final dot."""
    return host.partition(":")[0].rstrip(".").lower()
