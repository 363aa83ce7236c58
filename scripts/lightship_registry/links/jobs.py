"""What the clusters' schedulers say of the links' jobs, and which jobs an agent is to look at next."""

from __future__ import annotations

import threading

from lightship_protocol.states import JOB_ENDED
from lightship_registry.core.clock import Clock
from lightship_registry.core.records import JobReport
from lightship_registry.links.agent_faults import AgentFaults
from lightship_registry.links.reconciler import Reconciler
from lightship_registry.store.jobs import JobStore

# How often a cluster's scheduler is asked: the agents are told so, and only one of them gets the list in that time.
INTERVAL_SECONDS = 20
MOST_JOBS = 1000


class Jobs:
    """Takes reports, and hands each cluster's list to one of its agents at a time."""

    def __init__(self, store: JobStore, reconciler: Reconciler, faults: AgentFaults, clock: Clock) -> None:
        self._store = store
        self._reconciler = reconciler
        self._clock = clock
        self.faults = faults
        # Forgotten at a restart: then one agent too many asks once.
        self._given: dict[str, float] = {}
        self._lock = threading.Lock()

    def report(self, cluster: str, reports: list[JobReport]) -> None:
        """Believe the cluster about its own jobs: what ended ends its link, the rest is kept for the pages."""
        # Looked up first and without a lock: what one cluster sends about jobs of no link must cost the others nothing.
        known = self._store.live(cluster) if reports else {}
        mine = [report for report in reports if report.job_id in known]
        for report in mine:
            if report.state == JOB_ENDED:
                self._reconciler.end_job(cluster, report)
        if mine:
            self._store.report(mine, known, self._clock())
        over = [report for report in reports if report.state == JOB_ENDED]
        doubtful = self._store.doubtful(cluster, self._clock()) if over else set()
        for report in over:
            if report.job_id in doubtful:
                self._reconciler.correct(cluster, report)

    def watch(self, cluster: str) -> list[str]:
        """The jobs to look at now, those that were not looked at for longest first; none if another agent has them."""
        now = self._clock()
        with self._lock:
            # A clock that was set back must not keep the list from everybody.
            if 0 <= now - self._given.get(cluster, 0.0) < INTERVAL_SECONDS:
                return []
            self._given[cluster] = now
        return self._store.watched(cluster, now, MOST_JOBS)
