"""A user's own question about their own job, where the agent may not see it: Slurm and PBS can hide users' jobs."""

from __future__ import annotations

import time

from lightship_cluster.core.errors import LightshipError
from lightship_cluster.schedulers.base import JobState, Scheduler

# Each user asks alone here, so seldom.
POLL_SECONDS = 15.0


class OwnPoll:
    """Asks the scheduler for one job, not at once and not often."""

    def __init__(self, scheduler: Scheduler, job_id: str) -> None:
        self._scheduler = scheduler
        self._job_id = job_id
        self._next = time.monotonic() + POLL_SECONDS
        self._known: JobState | None = None

    def job(self) -> JobState | None:
        """What the scheduler said last; None until it was asked, and when it does not answer."""
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + POLL_SECONDS
            try:
                self._known = self._scheduler.job_states([self._job_id]).get(self._job_id)
            except LightshipError:
                self._known = None
        return self._known
