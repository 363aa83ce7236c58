"""Every few seconds, ends links that are over, and makes the files for the web server and sshd agree with the store."""

from __future__ import annotations

import asyncio

from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool

from lightship_registry.api.signatures import NONCE_SECONDS
from lightship_registry.core import audit
from lightship_registry.core.clock import Clock, steady
from lightship_registry.core.db_errors import explain
from lightship_registry.core.observer import Observer
from lightship_registry.links.reconciler import Reconciler
from lightship_registry.store.database import Database
from lightship_registry.store.nonces import NonceStore
from lightship_registry.tunnels.tunnels import Tunnels

SWEEP_SECONDS = 5.0
JUMP_SECONDS = 20.0
SETTLE_SECONDS = 0.1


class Sweeper:
    """Sweeps, and knows since when heartbeats could arrive."""

    def __init__(
        self,
        database: Database,
        reconciler: Reconciler,
        tunnels: Tunnels,
        lease_seconds: int,
        clock: Clock,
        observer: Observer,
        ticks: Clock = steady,
    ) -> None:
        self._database = database
        self._nonces = NonceStore(database)
        self._reconciler = reconciler
        self._tunnels = tunnels
        self._lease_seconds = lease_seconds
        self._clock = clock
        self._observer = observer
        self._ticks = ticks
        self._listening_since = ticks()
        self._last = (clock(), ticks())
        self._failures = database.failures

    async def run(self) -> None:
        """Sweep until cancelled. Errors of the disk or the store are logged, and the next round tries again."""
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            try:
                await run_in_threadpool(self.sweep)
            except (SQLAlchemyError, OSError) as error:
                audit.problem(f"sweep: {explain(error)}")
            except Exception:  # if the sweeper died, routes would stay open for ever
                audit.problem("sweep: unexpected error", traceback=True)

    def sweep(self) -> None:
        """One round."""
        self._watch_clock()
        self._watch_store()
        spare_silent = self._just_started()
        try:
            self._reconciler.end_due(spare_silent=spare_silent)
            self._nonces.forget(self._clock() - NONCE_SECONDS)
            # Does not wait for readers, or for programs that lock the store: the next round tries again.
            self._database.settle(SETTLE_SECONDS)
        finally:
            # Routes must close even if the store can be read but not written.
            self._watch_store()
            self._reconciler.reconcile(spare_silent=self._just_started())
            self._tunnels.reconcile()
        self._observer.swept()

    def _just_started(self) -> bool:
        # While the service was down no heartbeat could arrive: after a start, each job has the time of one lease.
        return self._ticks() - self._listening_since < self._lease_seconds

    def _watch_store(self) -> None:
        # Heartbeats that arrived while the store failed are lost.
        if self._database.failures != self._failures:
            self._failures = self._database.failures
            self._listening_since = self._ticks()

    def _watch_clock(self) -> None:
        # A clock that jumps forward makes every lease look old: treat it like a start.
        wall, tick = self._clock(), self._ticks()
        jump = (wall - self._last[0]) - (tick - self._last[1])
        if abs(jump) > JUMP_SECONDS:
            audit.problem(f"The clock jumped by {jump:.0f} seconds. Leases get their whole time again; check NTP.")
            self._listening_since = tick
        self._last = (wall, tick)
