"""Reports the states of links' jobs to the registry: one question to the scheduler in each interval, for all jobs.

Several login nodes may run agents. The registry gives the list of jobs to one of them at a time; the others have no
jobs to ask about and only send an empty report.
"""

from __future__ import annotations

import os
import time
import traceback
from typing import Any

from lightship_cluster.agent.scheduler_check import SchedulerCheck
from lightship_cluster.core.errors import LightshipError, RepeatedErrors
from lightship_cluster.core.users import user_name
from lightship_cluster.registry_client.registry import SignedRegistry
from lightship_cluster.registry_client.transport import Unreachable
from lightship_cluster.schedulers.base import GONE, JobSource, JobState
from lightship_protocol import forms, limits

INTERVAL_SECONDS = 20.0
# After failures the pauses grow: a failing scheduler or registry needs fewer questions.
LONGEST_PAUSE = 300.0
# The web server takes bodies of at most 64 KiB, and an entry can have 450 bytes.
ENTRIES = 100


class JobWatcher:
    """Reports the jobs of the last list and gets the next list."""

    def __init__(self, registry: SignedRegistry, scheduler: JobSource, check: SchedulerCheck) -> None:
        self._registry = registry
        self._scheduler = scheduler
        self._check = check
        self._fault_told = ""
        self._watched: list[str] = []
        self._interval = INTERVAL_SECONDS
        self._failures = 0
        self._errors = RepeatedErrors(
            "The registry is not told how jobs are", "The registry is told again how jobs are."
        )

    def run(self) -> None:
        """Report for ever, in a thread of its own."""
        while True:
            time.sleep(self.round())

    def round(self) -> float:
        """Report once; return the seconds until the next round."""
        # After a failure the list is dropped: another agent may have it by then.
        watched, self._watched = self._watched, []
        fault = ""
        try:
            self._tell(self._entries(watched))
        except LightshipError as error:
            fault = error.sentence
        except Exception:
            # An unexpected error must not end the thread: nothing restarts it.
            fault = traceback.format_exc()
        self._failures = self._failures + 1 if fault else 0
        self._errors.say(fault)
        # A first failure does not lengthen the pause: most often the registry was just restarting.
        return float(min(LONGEST_PAUSE, self._interval * 2 ** max(0, self._failures - 1)))

    def _fault(self) -> dict[str, str]:
        """Why this agent cannot ask, for the centre's administrators; sent once more, empty, when it can again."""
        fault = self._check.last
        if not fault and not self._fault_told:
            return {}
        return {"host": os.uname().nodename, "fault": fault[: limits.FAULT]}

    def _entries(self, job_ids: list[str]) -> list[dict[str, Any]]:
        if not job_ids:
            return []
        states = self._scheduler.job_states(job_ids)
        gone = [job_id for job_id, job in states.items() if job == GONE]
        if gone:
            states.update(self._scheduler.accounted(gone))
        return [entry for entry in (self._entry(job_id, job) for job_id, job in states.items()) if entry]

    def _entry(self, job_id: str, job: JobState) -> dict[str, Any] | None:
        told = self._scheduler.report(job)
        entry = {"job_id": job_id, "state": told.state, "reason": told.reason[: limits.REASON], "start": told.start}
        if told.cause:
            entry["cause"] = told.cause
        if job.uid >= 0:
            # A user can give a link any job number: the registry must not show one user's job to another.
            user = user_name(job.uid)
            if user is None:
                return None
            entry["user"] = user
        return entry

    def _tell(self, entries: list[dict[str, Any]]) -> None:
        watched: list[str] = []
        # An empty report is sent too: its answer has the list.
        for begin in range(0, max(1, len(entries)), ENTRIES):
            watched += self._send(entries[begin : begin + ENTRIES])
        self._watched = watched

    def _send(self, entries: list[dict[str, Any]]) -> list[str]:
        try:
            told = self._fault()
            answer = self._registry.report_jobs(entries, told)
        except Unreachable as error:
            raise LightshipError(f"it cannot be reached ({error}).") from error
        if not answer.ok:
            raise LightshipError(answer.error)
        self._fault_told = told.get("fault", "")
        watch, interval = answer.body.get("watch"), answer.body.get("interval")
        if isinstance(interval, (int, float)) and 1 <= interval <= LONGEST_PAUSE:
            self._interval = float(interval)
        listed = watch if isinstance(watch, list) else []
        return [job_id for job_id in listed if isinstance(job_id, str) and forms.JOB_ID.fullmatch(job_id)]
