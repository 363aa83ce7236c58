"""The states of jobs that users ask for: one question to the scheduler for all jobs, and only while somebody asks."""

from __future__ import annotations

import threading
import time
import traceback

from lightship_cluster.agent.scheduler_check import SchedulerCheck
from lightship_cluster.core.errors import LightshipError, RepeatedErrors
from lightship_cluster.schedulers.base import JobSource, JobState

ASKED_SECONDS = 60.0
MOST_JOBS = 5000


class JobStates:
    """Polls the scheduler for the jobs that users asked about lately, at most once in each interval."""

    def __init__(self, scheduler: JobSource, poll_seconds: float) -> None:
        self.check = SchedulerCheck(scheduler)
        self._scheduler = scheduler
        self._poll_seconds = poll_seconds
        self._asked: dict[str, float] = {}
        self._known: dict[str, JobState] = {}
        self._changed = threading.Condition()
        self._errors = RepeatedErrors("Cannot ask for job states", "Job states are known again.")

    def get(self, job_id: str) -> JobState | None:
        """The job's state at the last poll; None if it is not known yet."""
        with self._changed:
            if job_id in self._asked or len(self._asked) < MOST_JOBS:
                new = job_id not in self._asked
                self._asked[job_id] = time.monotonic()
                if new:
                    self._changed.notify()
            return self._known.get(job_id)

    def run(self) -> None:
        """Poll for ever, in a thread of its own."""
        while True:
            self.poll(self._wait_for_work())
            time.sleep(self._poll_seconds)

    def poll(self, job_ids: list[str]) -> None:
        """Ask the scheduler once; if it does not answer, the known states are dropped."""
        states: dict[str, JobState] = {}
        fault = ""
        try:
            states = self._scheduler.job_states(job_ids)
        except LightshipError as error:
            fault = error.sentence
        except Exception:
            # An unexpected error must not end the thread: nothing restarts it.
            fault = traceback.format_exc()
        self._errors.say(fault)
        with self._changed:
            self._known = states

    def _wait_for_work(self) -> list[str]:
        with self._changed:
            while True:
                recent = time.monotonic() - ASKED_SECONDS
                self._asked = {job_id: when for job_id, when in self._asked.items() if when > recent}
                if self._asked:
                    return sorted(self._asked)
                self._known = {}
                self._changed.wait()
