"""The pages at the addresses of links that have no route: a waiting page, and one page for everything else."""

from __future__ import annotations

import base64
import hashlib
from importlib import resources

import jinja2
from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response

from lightship_registry import audit
from lightship_registry.names import is_name
from lightship_registry.records import ENDED, STARTING, WAITING
from lightship_registry.settings import Settings
from lightship_registry.store import Store

REFRESH_SECONDS = 3


class Pages:
    """Answers for every host but the API's."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self._suffix = f".{settings.domain}"
        self._store = store
        self._templates = jinja2.Environment(
            loader=jinja2.FunctionLoader(_packed), autoescape=True, undefined=jinja2.StrictUndefined
        )
        style = _packed("style.css")
        self._style = style
        self._headers = _headers(style)
        self._gone = self._render("gone.html")

    async def answer(self, request: Request) -> Response:
        """A page for the link of this host; what was asked for below it does not matter."""
        if request.method not in ("GET", "HEAD"):
            return PlainTextResponse("Only GET and HEAD.\n", 405, {**self._headers, "Allow": "GET, HEAD"})
        try:
            return await self._page(request.headers.get("host", ""))
        except SQLAlchemyError as error:
            audit.problem(f"page: {error}")
            return HTMLResponse(self._render("trouble.html"), 500, self._headers)

    async def _page(self, host: str) -> Response:
        name = self._name_of(host)
        link = await run_in_threadpool(self._store.find, name) if name else None
        # Unknown, ended and foreign: one page, byte for byte, so that names cannot be told apart.
        if link is None or link.state == ENDED:
            return HTMLResponse(self._gone, 404, self._headers)
        step = {WAITING: 1, STARTING: 2}.get(link.state, 3)
        page = self._render("waiting.html", name=link.name, step=step, refresh=REFRESH_SECONDS)
        return HTMLResponse(page, 503, {**self._headers, "Retry-After": str(REFRESH_SECONDS)})

    def _name_of(self, host: str) -> str:
        label = bare_host(host).removesuffix(self._suffix)
        return label if is_name(label) else ""

    def _render(self, template: str, **values: object) -> str:
        return self._templates.get_template(template).render(style=self._style, **values)


def bare_host(host: str) -> str:
    """The host name of a Host header: lower case, without port and final dot."""
    return host.partition(":")[0].rstrip(".").lower()


def _packed(name: str) -> str:
    return (resources.files("lightship_registry") / "templates" / name).read_text("utf-8")


def _headers(style: str) -> dict[str, str]:
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    nothing_else = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    return {
        "Content-Security-Policy": f"{nothing_else}; style-src 'sha256-{digest}'",
        "X-Content-Type-Options": "nosniff",
        # Not no-referrer: the notebook at this address needs the Referer of its own pages.
        "Referrer-Policy": "same-origin",
        "Cache-Control": "no-store",
    }
