"""Follows a submitted job until its notebook answers, or has failed to start."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from lightship_cluster.agent.client import AgentClient, AgentError
from lightship_cluster.core.durations import humanized
from lightship_cluster.core.errors import ExitStatus, LightshipError
from lightship_cluster.core.job_log import last_lines, log_of
from lightship_cluster.core.link_folder import LinkFolder
from lightship_cluster.environments.interfaces import A_NOTEBOOK, Subject
from lightship_cluster.login.progress import Progress
from lightship_cluster.schedulers.base import GONE, JobState, Scheduler
from lightship_cluster.schedulers.phrases import seconds_of
from lightship_protocol import causes
from lightship_protocol.states import ENDED, READY, STARTING

POLL_SECONDS = 1.0
PATIENCE_SECONDS = 120.0
# A job that has just ended may still report the reason to the registry.
LAST_WORDS_SECONDS = 3.0
LOG_LINES = 15
# Causes from outside the job: a job in the queue does not notice them.
FROM_OUTSIDE = (causes.CANCELLED, causes.REVOKED, causes.NOT_STARTED)
STOP = "start-jupyter stop"
# Each user asks the scheduler alone here, so seldom.
OWN_POLL_SECONDS = 15.0


@dataclass(frozen=True)
class Submitted:
    """A submitted job, and the scheduler's remarks at its submission."""

    name: str
    job_id: str
    folder: LinkFolder
    url: str = ""
    subject: Subject = A_NOTEBOOK
    remarks: tuple[str, ...] = ()


class Follower:
    """Polls the agent, and shows the state of the job."""

    def __init__(self, agent: AgentClient, scheduler: Scheduler, progress: Progress, job: Submitted) -> None:
        self._agent = agent
        self._scheduler = scheduler
        self._progress = progress
        self._job = job
        self._over_since = 0.0
        self._listed = False
        self._known = f"Job {job.job_id} is submitted"
        self._own_poll = OwnPoll(scheduler, job.job_id)

    def until_ready(self) -> dict[str, Any]:
        """Return the status when the notebook answers; raise an error with the job's last lines if it fails."""
        while True:
            status = self._patient_status()
            if status.get("state") == READY:
                return status
            if status.get("state") == ENDED or self._is_over(status):
                raise self._failed(status)
            if not status.get("job_id"):
                self._tell_job()
            if not self._over_since:
                self._progress.show(self._phrase(status), self._detail(status))
            time.sleep(POLL_SECONDS)

    def _patient_status(self) -> dict[str, Any]:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                return self._agent.status(self._job.name)
            except AgentError as error:
                if time.monotonic() > deadline or error.code == "no-such-link":
                    goes_on = f"Your job {self._job.job_id} goes on. To stop it: {self._stop_command()}"
                    raise AgentError(f"{error.sentence} {goes_on}", error.status) from error
            self._progress.show("The job's state is unknown just now; the job goes on")
            time.sleep(POLL_SECONDS)

    def _tell_job(self) -> None:
        # Without the number, the agent could not report the end of a job that never claimed its link.
        with suppress(AgentError):  # the next poll tries again
            self._agent.set_job(self._job.name, self._job.job_id)

    def _job_of(self, status: dict[str, Any]) -> JobState | None:
        job = job_in(status)
        if job and job.state != GONE.state:
            self._listed = True
        elif not self._listed or status.get("state") == STARTING:
            return self._own_poll.job()  # it may be hidden: some schedulers show a job only to its owner
        return job

    def _is_over(self, status: dict[str, Any]) -> bool:
        job = self._job_of(status)
        if not job or not self._scheduler.over(job.state):
            self._over_since = 0.0
            return False
        self._over_since = self._over_since or time.monotonic()
        return time.monotonic() - self._over_since >= LAST_WORDS_SECONDS

    def _phrase(self, status: dict[str, Any]) -> str:
        if status.get("state") == STARTING:
            return f"{self._job.subject.program} is starting on its node"
        job = self._job_of(status)
        if job:
            self._known = _sentence(self._scheduler.phrase(job))
        # An agent that has just started has not asked the scheduler yet.
        return self._known

    def _detail(self, status: dict[str, Any]) -> dict[str, Any]:
        job = self._job_of(status)
        told = self._scheduler.report(job) if job else None
        found = {"state": status.get("state"), "job_state": told and told.state, "node": job and job.node}
        starts = {"starts": told.start} if told and told.start else {}
        return {key: value for key, value in {**found, **starts}.items() if value}

    def _failed(self, status: dict[str, Any]) -> LightshipError:
        job = self._job_of(status)
        said = str(status.get("reason") or "")
        cause = str(status.get("cause") or "")
        over = ""
        if job and self._scheduler.over(job.state):
            over = self._scheduler.phrase(job) + "."
            cause = cause or self._scheduler.report(job).cause
        noun = self._job.subject.noun
        why = _sentence(said or over or f"the link ended before the {noun} answered.")
        stop = "" if over else self._stop_job(cause)
        printed = self._last_lines(expected=cause not in FROM_OUTSIDE)
        return LightshipError(f"The {noun} did not start. {why}{stop}{printed}", ExitStatus.JOB)

    def _stop_job(self, cause: str) -> str:
        # The link's end leaves the job in the queue, where it would wait in vain.
        job_id = self._job.job_id
        if cause in FROM_OUTSIDE:
            with suppress(LightshipError):
                self._scheduler.cancel(job_id)
                return f" Job {job_id} was cancelled too."
        return f" If job {job_id} is still there, stop it: {self._stop_command()}"

    def _stop_command(self) -> str:
        return self._scheduler.stop_command(self._job.job_id)

    def _last_lines(self, *, expected: bool) -> str:
        log = log_of(self._job.folder)
        lines = last_lines(self._job.folder, LOG_LINES)
        if not lines:
            # No output is expected of a job that was cancelled in the queue.
            return f"\nThe job printed nothing ({log})." if expected else ""
        return "\n".join([f"\nThe job's last lines ({log}):", *(f"    {line}" for line in lines)])


def describe_ready(status: dict[str, Any], url: str, noun: str = "notebook") -> str:
    """The message when the notebook or program answers."""
    left = humanized(float(status.get("expires") or 0) - time.time())
    page = f"Its own page, with the time that is left: {url}/.lightship/"
    return f"Ready: your {noun} answers. {left} left. To stop it: {STOP}\n{page}"


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:]


def job_in(status: dict[str, Any]) -> JobState | None:
    """The state of the link's job in the agent's answer."""
    job = status.get("job")
    if not isinstance(job, dict):
        return None
    state, reason, node = (str(job.get(key) or "") for key in ("state", "reason", "node"))
    return JobState(state, reason, seconds_of(job.get("start")), node)


class OwnPoll:
    """The user's own question about their job, where Slurm or PBS hide it from the agent; not at once and not often."""

    def __init__(self, scheduler: Scheduler, job_id: str) -> None:
        self._scheduler = scheduler
        self._job_id = job_id
        self._next = time.monotonic() + OWN_POLL_SECONDS
        self._known: JobState | None = None

    def job(self) -> JobState | None:
        """The scheduler's last answer; None before the first question, and if it does not answer."""
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + OWN_POLL_SECONDS
            try:
                self._known = self._scheduler.job_states([self._job_id]).get(self._job_id)
            except LightshipError:
                self._known = None
        return self._known
