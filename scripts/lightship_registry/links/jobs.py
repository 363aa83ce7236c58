"""Takes the schedulers' reports on jobs, and tells the agents which jobs to check next."""

from __future__ import annotations

import threading

from lightship_protocol.states import JOB_ENDED
from lightship_registry.core.clock import Clock
from lightship_registry.core.records import JobReport
from lightship_registry.links.agent_faults import AgentFaults
from lightship_registry.links.reconciler import Reconciler
from lightship_registry.store.jobs import JobStore

# How often a cluster's scheduler is asked. The agents are told, and only one of them gets the list in that time.
INTERVAL_SECONDS = 20
MOST_JOBS = 1000


class Jobs:
    """Handles reports, and gives each cluster's list of jobs to one of its agents at a time."""

    def __init__(self, store: JobStore, reconciler: Reconciler, faults: AgentFaults, clock: Clock) -> None:
        self._store = store
        self._reconciler = reconciler
        self._clock = clock
        self.faults = faults
        # Lost at a restart: then one agent too many asks once.
        self._given: dict[str, float] = {}
        self._lock = threading.Lock()

    def report(self, cluster: str, reports: list[JobReport]) -> None:
        """Apply a cluster's reports on its own jobs: an ended job ends its link, the rest is kept for the pages."""
        # Looked up first and without a lock: reports on jobs without a link must cost other clusters nothing.
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
        """The jobs to check now, the longest unchecked first; none if another agent has the list."""
        now = self._clock()
        with self._lock:
            # After the clock was set back, somebody must still get the list.
            if 0 <= now - self._given.get(cluster, 0.0) < INTERVAL_SECONDS:
                return []
            self._given[cluster] = now
        return self._store.watched(cluster, now, MOST_JOBS)
