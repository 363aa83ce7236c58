"""What every scheduler module offers."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from lightship_cluster.core.errors import ExitStatus, LightshipError
from lightship_cluster.core.programs import run_program
from lightship_cluster.core.texts import cleaned

TIMEOUT_SECONDS = 30.0
NO_REASON = "it gave no reason."
# Of a refusal; a banner of the site may come before it.
MOST_LINES = 20

# The users' own settings of what the schedulers' commands print, of which jobs they speak, and how they fail.
_PREFERENCES = (
    *("SQUEUE_", "SINFO_", "SACCT_", "SCANCEL_", "SLURM_CLUSTERS", "SLURM_DEBUG_FLAGS", "SLURM_EXIT_ERROR"),
    *("PBS_QSTAT_", "PBS_DPREFIX"),
)


@dataclass(frozen=True)
class Resources:
    """What a job asks of its cluster. What is empty or 0 is left to the batch script and the scheduler.

    `memory` is MiB for the whole job on each node, `gpus` a number with or without a type ("2", "a100:2"), and `extra`
    further options of the scheduler's own, handed on as they were typed. `timed` says whether somebody gave the minutes
    for this start, or they are a default's.
    """

    minutes: int
    partition: str = ""
    account: str = ""
    cores: int = 0
    memory: int = 0
    gpus: str = ""
    nodes: int = 0
    qos: str = ""
    reservation: str = ""
    constraint: str = ""
    extra: tuple[str, ...] = ()
    timed: bool = False


@dataclass(frozen=True)
class JobRequest:
    """The job that `start-jupyter` submits."""

    script: Path
    arguments: tuple[str, ...]
    folder: Path
    log: Path
    resources: Resources


@dataclass(frozen=True)
class Submission:
    """A job that the scheduler took: its number, and what the scheduler or the site had to say to the user of it."""

    job_id: str
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class JobState:
    """What the scheduler says about a job, in its own words.

    `start` is Unix time, 0 when unknown, and `uid` the job's owner; -1, unknown, are those of jobs that are not listed
    and of this machine's processes. What is told of a job counts for its owner's links alone.
    """

    state: str
    reason: str = ""
    start: int = 0
    node: str = ""
    uid: int = -1


# A listed job's owner whom this host does not know. Not -1, which says that the owner may be anybody.
NOBODYS = 2**32 - 2


@dataclass(frozen=True)
class JobReport:
    """What the registry is told of a job: its state, why in plain words, when it starts (Unix time, 0 for unknown).

    An ended job has a cause when the scheduler itself said that it ended; without one it is only no longer listed.
    """

    state: str
    reason: str = ""
    start: int = 0
    cause: str = ""


# What the agent answers about a job that the scheduler does not list: it is over, or hidden from the agent.
GONE = JobState("GONE")


class NoAnswerError(LightshipError):
    """A scheduler's command did not answer in time; what it was asked to do may be done all the same."""


class JobSource(Protocol):
    """What an agent needs to know how jobs are."""

    def job_states(self, job_ids: Iterable[str]) -> dict[str, JobState]:
        """Ask once about all these jobs; those that are known to be no longer listed are GONE."""

    def accounted(self, job_ids: Iterable[str]) -> dict[str, JobState]:
        """What the accounting knows of jobs that are GONE; nothing where there is no accounting."""

    def fault(self) -> str:
        """Why jobs cannot be asked about; nothing when they can."""

    def report(self, job: JobState) -> JobReport:
        """The job's state for the registry."""


class Scheduler(JobSource, Protocol):
    """One module for each scheduler implements this."""

    name: str

    def check(self, resources: Resources, script: Path | None = None) -> str:
        """Refuse what the cluster cannot give, naming what it can, before anything is made; a warning or nothing.

        The batch script may choose for itself what is left out of the resources.
        """

    def submit(self, request: JobRequest) -> Submission:
        """Hand the job in."""

    def cancel(self, job_id: str) -> None:
        """Take the user's own job out of the queue, or stop it."""

    def over(self, state: str) -> bool:
        """Whether a job in this state will never run again."""

    def phrase(self, job: JobState) -> str:
        """The job's state for a person."""

    def stop_command(self, job_id: str) -> str:
        """What a user types to stop the job."""


def ask(command: Sequence[str], extra: Mapping[str, str | None] | None = None) -> subprocess.CompletedProcess[str]:
    """Run a scheduler's command in plain English, without the user's preferences, nor what is None in `extra`."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(_PREFERENCES)}
    told = {**kept, "LC_ALL": "C", **(extra or {})}
    return run(command, {key: value for key, value in told.items() if value is not None})


def hand_in(
    command: Sequence[str], environment: Mapping[str, str], folder: Path | None, maybe_queued: str
) -> subprocess.CompletedProcess[str]:
    """Run what submits a job; without an answer in time, say too how to find a job that is queued all the same."""
    try:
        return run(command, environment, folder)
    except NoAnswerError as error:
        raise NoAnswerError(f"{error.sentence} {maybe_queued}", error.status) from error


def run(
    command: Sequence[str], environment: Mapping[str, str], folder: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a scheduler's command with exactly this environment, and in this folder: a job may inherit both."""
    try:
        return run_program(command, environment, TIMEOUT_SECONDS, folder)
    except OSError as error:
        raise LightshipError(f"Cannot run {command[0]}: {error.strerror}.", ExitStatus.SCHEDULER) from error
    except subprocess.TimeoutExpired as error:
        raise NoAnswerError(
            f"{command[0]} did not answer within {TIMEOUT_SECONDS:.0f} s. The scheduler may be down; try again later.",
            ExitStatus.SCHEDULER,
        ) from error


def unread(scheduler: str, printed: str, maybe_queued: str) -> LightshipError:
    """For a job that was taken, as the exit status says, without a number that could be read."""
    said = repr(printed.strip()[-200:])
    sentence = f"{scheduler} took the job, but its number cannot be read in what was printed: {said}. {maybe_queued}"
    return LightshipError(sentence, ExitStatus.SUBMIT)


def remarks(text: str, mark: str) -> tuple[str, ...]:
    """What a command says under its own name, `mark`, among what other programs of the site may print beside it."""
    lines = (line.strip().partition(mark) for line in cleaned(text).splitlines())
    return tuple(said.removeprefix("error: ") for before, found, said in lines if found and said and not before)


def refusal(scheduler: str, text: str, mark: str, hint: str = "") -> LightshipError:
    """For a job that was not taken: all that was said, since a site's own reason often comes before the scheduler's."""
    said = (line.strip() for line in cleaned(text).splitlines())
    lines = [line.removeprefix(mark).removeprefix("error: ") for line in said if line]
    lines = lines or [NO_REASON]
    why = f" {lines[0]}" if len(lines) == 1 else "".join(f"\n    {line}" for line in lines[-MOST_LINES:])
    return LightshipError(f"{scheduler} did not take the job:{why}{hint}", ExitStatus.SUBMIT)


def last_line(text: str, prefix: str = "") -> str:
    """What a command says in the end, mostly the reason why it did nothing."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1].replace(prefix, "", 1) if lines else NO_REASON
