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
from starlette.routing import Router
from starlette.types import ASGIApp, Receive, Scope, Send

from lightship_registry.api.calls import refusal
from lightship_registry.api.hosts import ExactRoute, application
from lightship_registry.api.operation import Service
from lightship_registry.api.operations import Api
from lightship_registry.api.signatures import Verifier
from lightship_registry.core import audit, last_heard
from lightship_registry.core.clock import Clock, wall
from lightship_registry.core.counting import counted
from lightship_registry.core.db_errors import explain
from lightship_registry.core.settings import Settings
from lightship_registry.links.agent_faults import AgentFaults
from lightship_registry.links.jobs import Jobs
from lightship_registry.links.parts import build_links
from lightship_registry.links.probe import Prober
from lightship_registry.monitoring.dashboard import Dashboard
from lightship_registry.monitoring.listener import listening
from lightship_registry.monitoring.metrics import Metrics
from lightship_registry.monitoring.overview import Overviews
from lightship_registry.pages.routes import Pages, bare_host
from lightship_registry.pki.keystore import Keystore
from lightship_registry.satellite import http
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
    """Chooses by the Host header; life-cycle messages go to the API.

    Not by Starlette's `Host`, which does not know a host's name with a dot at its end.
    """

    def __init__(
        self, by_host: Mapping[str, ASGIApp], api: ASGIApp, others: ASGIApp, pages: Pages, dashboard: Dashboard
    ) -> None:
        self._by_host = by_host
        self._api = api
        self._others = others
        self.pages = pages
        self.dashboard = dashboard

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on."""
        if scope["type"] != "http":
            await self._api(scope, receive, send)
            return
        app = self._by_host.get(bare_host(Headers(scope=scope).get("host", "")), self._others)
        await counted(app, self.dashboard.metrics, scope, receive, send)

    def hang_up(self) -> None:
        """End the answers that would go on for minutes; for a service that is about to stop."""
        self.pages.events.close()


def build(settings: Settings, clock: Clock = wall) -> HostSwitch:
    """Put the service together from its settings; everything it needs must have been prepared.

    Starts even with a full disk or without the database: otherwise requests would hang on systemd's socket.
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
    service = Service(
        settings=settings,
        links=parts.links,
        publisher=parts.publisher,
        jobs=Jobs(JobStore(database), parts.reconciler, AgentFaults(settings, clock), clock),
        tunnels=tunnels,
        prober=Prober(keys),
        client_ca=keys.proxy_pem(),
        clock=clock,
        observer=metrics,
    )
    api = Api(service, Verifier(settings, NonceStore(database).spend, clock))
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

    json = application(api.routes(), refusal, metrics, lifespan=lifespan)
    html = application(pages.routes(), pages.trouble, metrics, default=pages.anywhere)
    by_host: dict[str, ASGIApp] = {settings.registry_host: json}
    if settings.satellite_networks:
        routes = SatelliteApi(SatelliteRules(settings, theirs, parts.publisher, stored, clock), notebooks).routes()
        plain = by_host[settings.manage_host] = application(routes, http.refusal, metrics, default=http.NOTHING_HERE)
        # Satellite had its interface on the domain as well, where the rest is pages.
        by_host[settings.domain] = Router(
            [ExactRoute(each.path, plain) for each in routes], redirect_slashes=False, default=html
        )
    return HostSwitch(by_host, json, html, pages, dashboard)


async def _end_soon() -> None:
    # To be started anew: a start checks the store and writes all routes.
    # The process keeps the mounts of its start, so a disk that was read-only then stays so for it.
    await asyncio.sleep(TROUBLE_SECONDS)
    signal.raise_signal(signal.SIGTERM)
