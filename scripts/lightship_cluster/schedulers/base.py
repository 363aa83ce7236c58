"""The interface of every scheduler module, and what they share."""

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
# The longest refusal that is shown; a banner of the site may precede it.
MOST_LINES = 20

# Users' variables that change what the schedulers' commands print, which jobs they include, and how they fail.
_PREFERENCES = (
    *("SQUEUE_", "SINFO_", "SACCT_", "SCANCEL_", "SLURM_CLUSTERS", "SLURM_DEBUG_FLAGS", "SLURM_EXIT_ERROR"),
    *("PBS_QSTAT_", "PBS_DPREFIX"),
)


@dataclass(frozen=True)
class Resources:
    """The resources that a job asks for. Empty values and 0 are left to the batch script and the scheduler.

    `memory` is in MiB for the whole job on each node, `gpus` a number with or without a type ("2", "a100:2"), and
    `extra` further options of the scheduler, passed on as they were typed. `timed` says whether the minutes were given
    for this start and are no default.
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
    """A submitted job: its number, and the remarks of the scheduler or the site."""

    job_id: str
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class JobState:
    """A job's state in the scheduler's own words.

    `start` is Unix time, 0 if unknown. `uid` is the job's owner; it is -1, unknown, for jobs that are not listed and
    for processes of this machine. A state counts only for links of the job's owner.
    """

    state: str
    reason: str = ""
    start: int = 0
    node: str = ""
    uid: int = -1


# The owner of a listed job whom this host does not know; -1 would mean that the owner may be anybody.
NOBODYS = 2**32 - 2


@dataclass(frozen=True)
class JobReport:
    """A job's state for the registry, with the reason in plain words and the start (Unix time, 0 if unknown).

    An ended job has a cause if the scheduler said that it ended; without one it is only no longer listed.
    """

    state: str
    reason: str = ""
    start: int = 0
    cause: str = ""


# The state of a job that the scheduler does not list: it is over, or hidden from the agent.
GONE = JobState("GONE")


class NoAnswerError(LightshipError):
    """A scheduler's command did not answer in time; it may still do what it was asked."""


class JobSource(Protocol):
    """The part of a scheduler that the agent needs."""

    def job_states(self, job_ids: Iterable[str]) -> dict[str, JobState]:
        """Ask once for the states of all these jobs; those that are no longer listed are GONE."""

    def accounted(self, job_ids: Iterable[str]) -> dict[str, JobState]:
        """The states of GONE jobs in the accounting; empty without accounting."""

    def fault(self) -> str:
        """The reason why job states cannot be asked for; empty if they can."""

    def report(self, job: JobState) -> JobReport:
        """The job's state for the registry."""


class Scheduler(JobSource, Protocol):
    """One module for each scheduler implements this."""

    name: str

    def check(self, resources: Resources, script: Path | None = None) -> str:
        """Refuse what the cluster cannot give, before anything is created; return a warning or an empty text.

        The batch script may choose what the resources leave out.
        """

    def submit(self, request: JobRequest) -> Submission:
        """Submit the job."""

    def cancel(self, job_id: str) -> None:
        """Cancel the user's own job, queued or running."""

    def over(self, state: str) -> bool:
        """Whether a job in this state will never run again."""

    def phrase(self, job: JobState) -> str:
        """The phrase for a job's state, for a person."""

    def stop_command(self, job_id: str) -> str:
        """The command with which a user stops the job."""


def ask(command: Sequence[str], extra: Mapping[str, str | None] | None = None) -> subprocess.CompletedProcess[str]:
    """Run a scheduler's command in English, without the user's preferences and variables that are None in `extra`."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(_PREFERENCES)}
    told = {**kept, "LC_ALL": "C", **(extra or {})}
    return run(command, {key: value for key, value in told.items() if value is not None})


def hand_in(
    command: Sequence[str], environment: Mapping[str, str], folder: Path | None, maybe_queued: str
) -> subprocess.CompletedProcess[str]:
    """Run the command that submits a job; the error of a timeout also says how to find a job that is queued anyway."""
    try:
        return run(command, environment, folder)
    except NoAnswerError as error:
        raise NoAnswerError(f"{error.sentence} {maybe_queued}", error.status) from error


def run(
    command: Sequence[str], environment: Mapping[str, str], folder: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a scheduler's command with exactly this environment and in this folder: a job may inherit both."""
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
    """The error for a submitted job whose number cannot be read."""
    said = repr(printed.strip()[-200:])
    sentence = f"{scheduler} took the job, but its number cannot be read in what was printed: {said}. {maybe_queued}"
    return LightshipError(sentence, ExitStatus.SUBMIT)


def remarks(text: str, mark: str) -> tuple[str, ...]:
    """The lines that a command prints with its own name, `mark`; programs of the site may print other lines."""
    lines = (line.strip().partition(mark) for line in cleaned(text).splitlines())
    return tuple(said.removeprefix("error: ") for before, found, said in lines if found and said and not before)


def refusal(scheduler: str, text: str, mark: str, hint: str = "") -> LightshipError:
    """The error for a refused job, with all lines: a site's own reason often precedes the scheduler's."""
    said = (line.strip() for line in cleaned(text).splitlines())
    lines = [line.removeprefix(mark).removeprefix("error: ") for line in said if line]
    lines = lines or [NO_REASON]
    why = f" {lines[0]}" if len(lines) == 1 else "".join(f"\n    {line}" for line in lines[-MOST_LINES:])
    return LightshipError(f"{scheduler} did not take the job:{why}{hint}", ExitStatus.SUBMIT)


def last_line(text: str, prefix: str = "") -> str:
    """The last line of an output, which mostly has the reason of a failure."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1].replace(prefix, "", 1) if lines else NO_REASON
