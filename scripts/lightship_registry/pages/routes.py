"""The pages at the links' addresses: waiting room, the running notebook's, ended page, and one for all the rest."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import request_response
from starlette.types import ASGIApp

from lightship_protocol.states import ENDED, READY
from lightship_registry.api.bodies import read_body
from lightship_registry.api.calls import Endpoint, address_of
from lightship_registry.api.hosts import ExactRoute
from lightship_registry.core import audit
from lightship_registry.core.clock import Clock
from lightship_registry.core.counting import ACTION
from lightship_registry.core.errors import RegistryError
from lightship_registry.core.records import Cause, Ending, Glance, Link
from lightship_registry.core.settings import Settings
from lightship_registry.links.lifecycle import Links
from lightship_registry.links.names import is_name
from lightship_registry.links.publisher import Publisher
from lightship_registry.pages import entrance, events, waiting
from lightship_registry.pages.ended_page import CANCELLED_BY_BUTTON, ENDED_BY_BUTTON
from lightship_registry.pages.events import Events, EventStream
from lightship_registry.pages.page_auth import proven, proven_token, remembered
from lightship_registry.pages.views import REFRESH_SECONDS, View, Views
from lightship_registry.store.links import LinkStore

CANCELLED = Ending(Cause.CANCELLED, CANCELLED_BY_BUTTON)
ENDED_BY_OWNER = Ending(Cause.CANCELLED, ENDED_BY_BUTTON)
READING = ("GET", "HEAD")
STATUS = "/.lightship/"
# The role certificates puts it there, if the site is its own authority.
PRIVATE_ROOT = Path("/usr/local/share/lightship/authority.pem")
CERTIFICATE = "application/x-x509-ca-cert"
# The same role writes it, if workstations have certificates of their own.
WORKSTATIONS = Path("/usr/local/share/lightship/certificates.json")


@dataclass(frozen=True)
class Visit:
    """A request for a page: which link, as far as it may be known, and who looks."""

    request: Request
    name: str
    # Nothing unless the viewer may see it.
    link: Link | None
    # Empty unless it is this link's.
    token: str
    # Its notebook can be reached, which its own answer tells everybody.
    runs: bool
    # The registry does not know the token: the notebook alone can tell whether it is right.
    unknown_token: bool
    # Of a form.
    typed: str = ""
    asked: str = ""


Handler = Callable[[Visit], Awaitable[Response]]


@dataclass(frozen=True)
class PagePath:
    """What answers at a path, and to which methods.

    A public one shows everybody the state of a link that was made without its token's hash.
    """

    handler: Handler
    methods: tuple[str, ...]
    # In the metrics.
    action: str = "page"
    public: bool = False
    # Answers at the domain itself too, which shows the landing page at every other path.
    everywhere: bool = False


class Pages:
    """Answers for every host but the API's."""

    def __init__(self, settings: Settings, store: LinkStore, links: Links, publisher: Publisher, clock: Clock) -> None:
        self._settings = settings
        self._store = store
        self._links = links
        self._publisher = publisher
        self._clock = clock
        self._suffix = f".{settings.domain}"
        self.events = Events(store.find, clock)
        self._views = Views(settings)
        self._headers = self._views.headers
        # As the web server calls them; every other path is the page's.
        self._paths = {
            "/status": PagePath(self._status, READING),
            "/events": PagePath(self._listen_waiting, ("GET",), "events"),
            "/running": PagePath(self._listen_running, ("GET",), "events"),
            "/cancel": PagePath(self._cancel, ("POST",), "page-cancel"),
            "/enter": PagePath(self._enter, (*READING, "POST"), "page-enter"),
            "/none": PagePath(self._none, READING),
            "/authority": PagePath(self._authority, READING, everywhere=True),
            "/certificates": PagePath(self._certificates, READING, everywhere=True),
        }
        self._page_path = PagePath(self._page, READING, public=True)

    def routes(self) -> list[ExactRoute]:
        """The paths that are more than the page."""
        return [ExactRoute(path, self._endpoint(page)) for path, page in self._paths.items()]

    @property
    def anywhere(self) -> ASGIApp:
        """What answers at every other path."""
        return request_response(self._endpoint(self._page_path))

    def trouble(self, _error: RegistryError, _headers: Mapping[str, str]) -> Response:
        """What a browser is shown of an error."""
        return _sent(self._views.trouble)

    def _endpoint(self, page: PagePath) -> Endpoint:
        async def answer_to(request: Request) -> Response:
            request.scope[ACTION] = page.action
            if request.method not in page.methods:
                allowed = {**self._headers, "Allow": ", ".join(page.methods)}
                return PlainTextResponse(f"Only {' and '.join(page.methods)}.\n", 405, allowed)
            host = bare_host(request.headers.get("host", ""))
            if host == self._settings.domain and not page.everywhere:
                return _sent(self._views.landing)
            return await page.handler(await self._visit(request, self._name_of(host), page))

        return answer_to

    async def _visit(self, request: Request, name: str, path: PagePath) -> Visit:
        # One small lookup and one comparison for every name, so that the time taken tells nothing either.
        known = await run_in_threadpool(self._store.glance, name)
        token, runs = proven_token(request, known.token_sha256), known.runs(self._clock())
        visit = Visit(request, name, None, token, runs, unknown_token=not known.token_sha256)
        if request.method == "POST" and path.handler == self._enter:
            visit = await self._with_form(visit, known)
        # A link that came without a hash cannot tell its owner from others, and shows everybody that it waits.
        open_to_all = path.public and known.state not in ("", ENDED) and not known.token_sha256
        if visit.token or open_to_all:
            return replace(visit, link=await run_in_threadpool(self._store.find, name))
        return visit

    async def _with_form(self, visit: Visit, known: Glance) -> Visit:
        try:
            typed, asked = entrance.form_fields(await read_body(visit.request))
        except RegistryError:
            # Too large, too slow or broken off: a stranger's, for the owner's is a line.
            typed, asked = "", ""
        return replace(visit, token=proven(typed, known.token_sha256) or visit.token, typed=typed, asked=asked)

    async def _page(self, visit: Visit) -> Response:
        """At any path of a link without a route."""
        link, now = visit.link, self._clock()
        if link and visit.token:
            view = self._views.ended(link, now) if link.state == ENDED else self._views.room(link, now)
            return remembered(_sent(view), visit.token)
        if link and link.state != ENDED and not link.token_sha256:
            state = waiting.plain(link) if link.interface.proves_owner else await self._satellite(link)
            return _sent(self._views.stranger(link, state))
        return self._nothing()

    async def _satellite(self, link: Link) -> dict[str, str]:
        rests = await run_in_threadpool(self._publisher.rests_for, link.announced) if link.announced else 0.0
        return waiting.satellite(link, rests)

    async def _status(self, visit: Visit) -> Response:
        """At the path that is never the notebook's own."""
        if visit.link and visit.token and visit.link.state == READY:
            return remembered(_sent(self._views.running(visit.link, self._clock())), visit.token)
        if visit.runs and not visit.token:
            return _sent(self._views.needs_token(STATUS, wrong=False))
        return await self._page(visit)

    async def _none(self, _visit: Visit) -> Response:
        return self._nothing()

    async def _authority(self, _visit: Visit) -> Response:
        """The root of the site's private authority, for browsers; nothing at a site without one."""
        return await self._file(PRIVATE_ROOT, CERTIFICATE)

    async def _certificates(self, _visit: Visit) -> Response:
        """The workstations' certificates, for the workstations; nothing at a site without any."""
        return await self._file(WORKSTATIONS, "application/json")

    async def _file(self, path: Path, media_type: str) -> Response:
        content = await run_in_threadpool(_content, path)
        return Response(content, media_type=media_type, headers=self._headers) if content else self._nothing()

    def _nothing(self) -> Response:
        return _sent(self._views.gone)

    async def _enter(self, visit: Visit) -> Response:
        """The way into the notebook, for whoever has the token, and the question for it to everybody else."""
        posted = visit.request.method == "POST"
        asked = visit.asked if posted else visit.request.query_params.get("next", "")
        if visit.link and visit.token:
            if posted and not self._is_own(visit):
                return self._foreign()
            return self._let_in(visit, visit.link, asked)
        if not visit.runs:
            return self._nothing()
        page = STATUS if asked == STATUS else entrance.destination(asked)
        if posted and visit.unknown_token and visit.typed and self._is_own(visit):
            return _moved(entrance.with_token(entrance.destination(asked), visit.typed), self._headers)
        return _sent(self._views.needs_token(page, wrong=posted or bool(entrance.tokens_in(asked))))

    def _let_in(self, visit: Visit, link: Link, asked: str) -> Response:
        page = entrance.destination(asked)
        if link.state != READY or asked == STATUS:
            return remembered(_moved(STATUS, self._headers), visit.token)
        if visit.token in entrance.tokens_in(asked):
            # The notebook was shown the very token, and asked for one: to send it again would go in a circle.
            return _sent(self._views.needs_token(page, wrong=True))
        if visit.request.method == "POST" or entrance.is_own_navigation(visit.request, self._origin(link.name)):
            return remembered(_moved(entrance.with_token(page, visit.token), self._headers), visit.token)
        return _sent(self._views.open(link, page))

    async def _listen_waiting(self, visit: Visit) -> Response:
        return self._listen(visit, events.ROOM)

    async def _listen_running(self, visit: Visit) -> Response:
        return self._listen(visit, events.STATUS)

    def _listen(self, visit: Visit, feed: events.Feed) -> Response:
        if visit.link is None or not visit.token:
            return self._nothing()
        later = {**self._headers, "Retry-After": str(REFRESH_SECONDS)}
        busy = PlainTextResponse("Too many listen. Load the page again now and then.\n", 503, later)
        return EventStream(self.events, visit.link.name, feed, self._headers, busy)

    async def _cancel(self, visit: Visit) -> Response:
        link = visit.link
        if link is None or not visit.token:
            return self._nothing()
        if not self._is_own(visit):
            return self._foreign()
        if link.state != ENDED:
            ending = ENDED_BY_OWNER if link.ready_at else CANCELLED
            await run_in_threadpool(self._links.end, link, ending)
            who = (link.cluster, link.user, link.name, address_of(visit.request) or "")
            audit.record(audit.Event("cancel", "ok", *who, reason=ending.reason))
        return RedirectResponse("/", 303, self._headers)

    def _is_own(self, visit: Visit) -> bool:
        # The web server refuses others already. Neighbours are strangers, and cookies do not tell them apart.
        return visit.request.headers.get("origin") == self._origin(visit.name)

    def _foreign(self) -> Response:
        return PlainTextResponse("Refused: this came from a page at another address.\n", 403, self._headers)

    def _origin(self, name: str) -> str:
        return self._settings.origin(name)

    def _name_of(self, host: str) -> str:
        label = host.removesuffix(self._suffix)
        return label if is_name(label) else ""


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""


def _sent(view: View) -> Response:
    return HTMLResponse(view.text, view.status, view.headers)


def _moved(address: str, headers: Mapping[str, str]) -> Response:
    # As it is: it was written for this header, and has what Starlette would write otherwise.
    return Response(status_code=303, headers={**headers, "Location": address})


def bare_host(host: str) -> str:
    """The host name of a Host header: lower case, without port and final dot."""
    return host.partition(":")[0].rstrip(".").lower()
