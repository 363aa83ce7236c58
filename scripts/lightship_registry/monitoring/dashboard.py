"""Serves Prometheus' metrics and a status page on the proxy host itself. It changes nothing."""

from __future__ import annotations

import re

from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from lightship_registry.core.records import LIVE
from lightship_registry.monitoring.metrics import Metrics
from lightship_registry.monitoring.overview import Overview, Overviews
from lightship_registry.pages import humanize
from lightship_registry.pages.rendering import Renderer
from lightship_registry.store.reading import Count

REFRESH_SECONDS = 30
METHODS = ("GET", "HEAD")
NEVER = "never"
LEVELS = {1: "warning", 2: "wrong"}
# Refuses DNS rebinding: a page elsewhere whose name suddenly resolves to this host could read the answers.
OWN_HOST = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])(:[0-9]{1,5})?", re.IGNORECASE)


class Dashboard:
    """The ASGI application of the second listener."""

    def __init__(self, overviews: Overviews, metrics: Metrics, clusters: list[str]) -> None:
        self._overviews = overviews
        self.metrics = metrics
        self._clusters = clusters
        self._renderer = Renderer()
        self._headers = {**self._renderer.headers(), "Cross-Origin-Resource-Policy": "same-origin"}
        metrics.registry.register(overviews)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        response = await self._answer(Request(scope, receive))
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        hosts = request.headers.getlist("host")
        if len(hosts) != 1 or not OWN_HOST.fullmatch(hosts[0]):
            return self._text("Refused: ask for http://localhost or http://127.0.0.1 and the port.\n", 403)
        if request.method not in METHODS:
            return self._text(f"Only {' and '.join(METHODS)}.\n", 405, {"Allow": ", ".join(METHODS)})
        # Both query the store and read files, which would block the event loop.
        if request.scope["path"] == "/metrics":
            text = await run_in_threadpool(generate_latest, self.metrics.registry)
            return Response(text, 200, {**self._headers, "Content-Type": CONTENT_TYPE_PLAIN_0_0_4})
        if request.scope["path"] == "/":
            return HTMLResponse(await run_in_threadpool(self._page), 200, self._headers)
        return self._text("Here are / and /metrics.\n", 404)

    def _text(self, sentence: str, status: int, headers: dict[str, str] | None = None) -> Response:
        return PlainTextResponse(sentence, status, {**self._headers, **(headers or {})})

    def _page(self) -> str:
        view, metrics = self._overviews.read(), self.metrics
        return self._renderer.render(
            "dashboard.html",
            refresh=REFRESH_SECONDS,
            states=LIVE,
            rows=_rows(view),
            reachable=view.counts is not None,
            waiting={cluster: humanize.span(view.now - since) for cluster, since in view.oldest_waiting().items()},
            certificates={name: int(days) for name, days in view.days_left.items()},
            agents={
                cluster: _ago(metrics.seen[cluster].when if cluster in metrics.seen else 0.0, view.now, NEVER)
                for cluster in self._clusters
            },
            checks=[(check, LEVELS[level]) for check, level in sorted(view.report.levels.items()) if level],
            checked=_ago(view.report.time, view.now, NEVER),
            swept=_ago(metrics.swept_at, view.now),
            listeners=view.listeners,
            refusals=[(_ago(refusal.when, view.now), refusal) for refusal in list(metrics.refusals)],
            now=humanize.instant(view.now),
            now_text=humanize.hour(view.now, view.now),
        )


def _rows(view: Overview) -> list[tuple[str, list[str]]]:
    counts = view.counts or {}
    clusters = sorted({cluster for cluster, _ in counts})
    return [
        (cluster, [_told(count) if (count := counts.get((cluster, state))) else "0" for state in LIVE])
        for cluster in clusters
    ]


def _told(count: Count) -> str:
    theirs = f" ({count.satellite} by Satellite's API)" if count.satellite else ""
    return f"{count.links}{theirs}"


def _ago(when: float, now: float, never: str = "not since the service started") -> str:
    return f"{humanize.span(now - when)} ago" if when else never
