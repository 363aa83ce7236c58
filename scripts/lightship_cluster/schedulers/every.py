"""The agent's view of all jobs: those of the cluster's scheduler, and those that users started on this machine."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from lightship_cluster.core.errors import LightshipError
from lightship_cluster.schedulers.base import JobReport, JobState, Scheduler
from lightship_cluster.schedulers.none import RUNS, Here, process_of


class Every:
    """Asks the scheduler or this machine, by the job's name.

    The scheduler is searched at its first use, and again until it is found: its commands may be on a file system that
    is mounted after the agent has started.
    """

    def __init__(self, find: Callable[[], Scheduler]) -> None:
        self._find = find
        self._found: Scheduler | None = None
        self._here = Here()

    def job_states(self, job_ids: Iterable[str]) -> dict[str, JobState]:
        """Ask once for the states of all these jobs."""
        own, others = _split(job_ids)
        known = self._here.job_states(own)
        try:
            return {**known, **(self._scheduler().job_states(others) if others else {})}
        except LightshipError:
            # A made-up job number must not hide the jobs of this machine.
            if own:
                return known
            raise

    def accounted(self, job_ids: Iterable[str]) -> dict[str, JobState]:
        """The states of GONE jobs in the accounting."""
        _, others = _split(job_ids)
        return self._scheduler().accounted(others) if others else {}

    def fault(self) -> str:
        """The reason why the scheduler cannot be asked for job states; empty if it can."""
        try:
            return self._scheduler().fault()
        except LightshipError as error:
            return error.sentence

    def report(self, job: JobState) -> JobReport:
        """The job's state for the registry."""
        if job.state == RUNS:
            return self._here.report(job)
        try:
            return self._scheduler().report(job)
        except LightshipError:
            return self._here.report(job)  # without a scheduler there are only jobs of this machine

    def _scheduler(self) -> Scheduler:
        if not self._found:
            self._found = self._find()
        return self._found


def _split(job_ids: Iterable[str]) -> tuple[list[str], list[str]]:
    own: list[str] = []
    others: list[str] = []
    for job_id in job_ids:
        (own if process_of(job_id) else others).append(job_id)
    return own, others
