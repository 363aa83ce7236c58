"""The ASGI application: the API on the registry's host name, Satellite's on its own, pages on every other."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Mapping

from anyio.to_thread import current_default_thread_limiter
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from lightship_registry.api.calls import failure, registry_error
from lightship_registry.api.operations import Api
from lightship_registry.api.signatures import Verifier
from lightship_registry.core import audit, last_heard
from lightship_registry.core.clock import Clock, wall
from lightship_registry.core.counting import ACTION, counted
from lightship_registry.core.db_errors import explain
from lightship_registry.core.errors import RegistryError
from lightship_registry.core.settings import Settings
from lightship_registry.links.agent_faults import AgentFaults
from lightship_registry.links.jobs import Jobs
from lightship_registry.links.parts import build_links
from lightship_registry.links.probe import Prober
from lightship_registry.monitoring.dashboard import Dashboard
from lightship_registry.monitoring.listener import listening
from lightship_registry.monitoring.metrics import Metrics
from lightship_registry.monitoring.overview import Overviews
from lightship_registry.pages.routes import Pages, bare_host, page_action
from lightship_registry.pki.keystore import Keystore
from lightship_registry.satellite.http import SatelliteApi
from lightship_registry.satellite.rules import SatelliteRules
from lightship_registry.satellite.watch import SatelliteWatch
from lightship_registry.store.database import Database
from lightship_registry.store.jobs import JobStore
from lightship_registry.store.migrate import require_current
from lightship_registry.store.nonces import NonceStore
from lightship_registry.store.schema import at_once, open_engine
from lightship_registry.sweeper import Sweeper
from lightship_registry.tunnels.tunnels import Tunnels

# How long a service that started on a store it cannot use says so, before it is started anew.
TROUBLE_SECONDS = 10.0


class HostSwitch:
    """Chooses by the Host header; life-cycle messages go to the API."""

    def __init__(
        self, settings: Settings, api: ASGIApp, satellite: SatelliteApi | None, pages: Pages, dashboard: Dashboard
    ) -> None:
        self._api = api
        self._domain = settings.domain
        self._satellite = satellite
        self._by_host: Mapping[str, ASGIApp] = {
            settings.registry_host: api,
            **({settings.manage_host: satellite} if satellite else {}),
        }
        self._page_app = _page_app(pages)
        self.pages = pages
        self.dashboard = dashboard

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on."""
        if scope["type"] != "http":
            await self._api(scope, receive, send)
            return
        host = bare_host(Headers(scope=scope).get("host", ""))
        app = self._by_host.get(host, self._page_app)
        # Satellite had its interface on the domain as well, where the rest is pages.
        if self._satellite and host == self._domain and self._satellite.has(scope["path"]):
            app = self._satellite
        await counted(app, self.dashboard.metrics, scope, receive, send)

    def hang_up(self) -> None:
        """End the answers that would go on for minutes; for a service that is about to stop."""
        self.pages.events.close()


def build(settings: Settings, clock: Clock = wall) -> HostSwitch:
    """Put the service together from its settings; everything it needs must have been prepared.

    A full disk or a database that is away is no reason not to start: requests would wait for nothing on the socket.
    """
    try:
        require_current(settings)
    except (SQLAlchemyError, OSError) as error:
        audit.problem(f"start: {explain(error)}")
    return assemble(settings, open_engine(settings.store), clock)


def assemble(settings: Settings, engine: Engine, clock: Clock) -> HostSwitch:
    """The service on a database that is open and prepared, which it closes when it stops."""
    database, keys = Database(engine), Keystore(settings)
    metrics = Metrics(clock, last_heard.path_of(settings), settings.clusters)
    parts = build_links(settings, database, clock, metrics)
    parts.routes.require_folder()
    tunnels = Tunnels(settings, database, clock)
    api = Api(
        settings,
        parts.links,
        parts.publisher,
        Jobs(JobStore(database), parts.reconciler, AgentFaults(settings, clock), clock),
        tunnels,
        Verifier(settings, NonceStore(database).spend, clock),
        Prober(keys),
        keys.proxy_pem(),
        clock,
        metrics,
    )
    pages = Pages(settings, parts.store, parts.links, parts.publisher, clock)
    overviews = Overviews(settings, engine, lambda: pages.events.count, clock)
    theirs, stored = parts.satellite_links, parts.satellite_store
    notebooks = SatelliteWatch(settings, theirs, parts.publisher, parts.routing, stored, clock)
    dashboard = Dashboard(overviews, metrics, sorted(settings.clusters))

    @contextlib.asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        limiter = current_default_thread_limiter()
        limiter.total_tokens = at_once(settings.store)
        database.slots.connect(limiter)
        sweeper = Sweeper(database, parts.reconciler, tunnels, settings.lease_seconds, clock, metrics)
        rounds = [sweeper.run(), *([notebooks.run()] if settings.satellite_networks else [])]
        try:
            await run_in_threadpool(parts.reconciler.restore)
            await run_in_threadpool(tunnels.reconcile)
        except (SQLAlchemyError, OSError) as error:
            audit.problem(f"start: {explain(error)}")
            rounds.append(_end_soon())
        tasks = [asyncio.create_task(each) for each in rounds]
        async with listening(settings.metrics_port, dashboard):
            yield
        # The routes stay: notebooks go on while the registry restarts.
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        engine.dispose()

    json = Starlette(
        routes=api.routes(),
        lifespan=lifespan,
        exception_handlers={HTTPException: _http_error, Exception: _unexpected},
    )
    json.router.redirect_slashes = False
    rules = SatelliteRules(settings, theirs, parts.publisher, stored, clock)
    satellite = SatelliteApi(rules, notebooks, metrics) if settings.satellite_networks else None
    return HostSwitch(settings, json, satellite, pages, dashboard)


async def _end_soon() -> None:
    # To be started anew: a start checks the store and writes all routes. Nor would a disk that was read-only at the
    # start ever become writable for this process, which has its mounts from then.
    await asyncio.sleep(TROUBLE_SECONDS)
    signal.raise_signal(signal.SIGTERM)


def _page_app(pages: Pages) -> ASGIApp:
    async def page(scope: Scope, receive: Receive, send: Send) -> None:
        scope[ACTION] = page_action(scope["path"])
        response = await pages.answer(Request(scope, receive))
        await response(scope, receive, send)

    return page


async def _http_error(_request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    sentence = "This address allows another method." if status == 405 else "The registry has no such address."
    response = failure(RegistryError(sentence, "bad-method" if status == 405 else "no-such-address", status))
    response.headers.update(getattr(error, "headers", None) or {})
    return response


async def _unexpected(_request: Request, _error: Exception) -> Response:
    audit.problem("unexpected error; its traceback follows")
    return failure(registry_error())
