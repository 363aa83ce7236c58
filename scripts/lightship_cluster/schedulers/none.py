"""No scheduler: the job runs on this machine, in a session of its own, and goes on when its user logs out.

Nothing limits what it uses; its link's end is its time limit. Only this machine knows how it is.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from lightship_cluster.core.errors import ExitStatus, LightshipError
from lightship_cluster.schedulers.base import (
    GONE,
    TIMEOUT_SECONDS,
    JobReport,
    JobRequest,
    JobState,
    Resources,
    Submission,
    ask,
    last_line,
)
from lightship_cluster.schedulers.job_environment import LINK, REGISTER
from lightship_cluster.schedulers.phrases import sentence
from lightship_protocol.states import JOB_ENDED, JOB_RUNNING

RUNS = "HERE"

_JOB_ID = re.compile(r"here\.(?P<host>[A-Za-z0-9-]{1,36})\.(?P<process>[1-9]\d{0,9})\.(?P<began>\d{1,14})", re.ASCII)
# The shell goes at once, so that the job is init's child and not ours: nothing of it stays when it has ended.
_DETACH = 'log="$1"; shift; "$@" </dev/null >>"$log" 2>&1 & echo "$!"'
# systemd may end what a user leaves behind at logout, but not what runs under a lingering user's own manager.
_LINGERING = ("systemd-run", "--user", "--scope", "--quiet", "--collect")


@dataclass(frozen=True)
class Process:
    """A job's first process; the clock ticks at which it began tell it from a later one with its number."""

    host: str
    number: int
    began: str


class Here:
    """This machine."""

    name = "This machine"

    def check(self, _resources: Resources, script: Path | None = None) -> str:
        """Refuse to start what cannot be run, or would end with the login."""
        if script and not os.access(script, os.X_OK):
            raise LightshipError(
                f"You may not run the batch script {script}. Type once: chmod +x {shlex.quote(str(script))}",
                ExitStatus.BATCH_SCRIPT,
            )
        if _ends_at_logout() and not _lingers():
            raise LightshipError(
                "This machine ends your programs when you log out, and the notebook would end too. "
                "Type once: loginctl enable-linger. Then start again.",
                ExitStatus.SCHEDULER,
            )
        return ""

    def submit(self, request: JobRequest) -> Submission:
        """Start the job; its name is the machine, its first process, and when that began."""
        link, register = request.arguments
        environment = {**os.environ, LINK: link, REGISTER: register, "PWD": str(request.folder)}
        prefix = _LINGERING if _ends_at_logout() else ()
        command = [*prefix, "setsid", str(request.script), *request.arguments]
        done = _detach([str(request.log), *command], environment, request.folder)
        number = done.stdout.strip()
        if done.returncode or not number.isdigit():
            raise LightshipError(f"The job could not be started: {last_line(done.stderr)}", ExitStatus.SUBMIT)
        return Submission(f"here.{_host()}.{number}.{_ticks(int(number))}")

    def job_states(self, job_ids: Iterable[str]) -> dict[str, JobState]:
        """The jobs of this machine; of others nothing is known here."""
        found = {job_id: process_of(job_id) for job_id in job_ids}
        return {
            job_id: JobState(RUNS, node=process.host) if _lives(process) else GONE
            for job_id, process in found.items()
            if process and process.host == _host()
        }

    def accounted(self, _job_ids: Iterable[str]) -> dict[str, JobState]:
        """Nobody keeps accounts."""
        return {}

    def cancel(self, job_id: str) -> None:
        """Stop the user's own job."""
        process = process_of(job_id)
        if not process or process.host != _host():
            raise LightshipError(
                f"The job {job_id} is not one of this machine's. Log in to the host that it names.",
                ExitStatus.SCHEDULER,
            )
        if not _lives(process):
            return
        try:
            _stop(process)
        except OSError as error:
            raise LightshipError(
                f"The job {job_id} cannot be stopped: {error.strerror}.", ExitStatus.SCHEDULER
            ) from error

    def over(self, state: str) -> bool:
        """Whether a job in this state will never run again."""
        return state == GONE.state

    def phrase(self, job: JobState) -> str:
        """The job's state for a person."""
        return "the job is over" if self.over(job.state) else "the job has begun on this machine"

    def fault(self) -> str:
        """Nothing: processes are there for everybody to see."""
        return ""

    def report(self, job: JobState) -> JobReport:
        """The job's state for the registry."""
        return JobReport(JOB_ENDED, sentence(self.phrase(job))) if self.over(job.state) else JobReport(JOB_RUNNING)

    def stop_command(self, job_id: str) -> str:
        """What a user types to stop the job."""
        process = process_of(job_id)
        if not process:
            return "kill and the number of its first process"
        kill = f"kill {process.number}"
        return kill if process.host == _host() else f"ssh {process.host} {kill}"


def process_of(job_id: str) -> Process | None:
    """The process that a job's name tells; None for a scheduler's number."""
    found = _JOB_ID.fullmatch(job_id)
    return Process(found["host"], int(found["process"]), found["began"]) if found else None


def _detach(words: Sequence[str], environment: Mapping[str, str], folder: Path) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            ["/bin/sh", "-c", _DETACH, "sh", *words],
            env=environment,
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
            # start-jupyter holds signals back while it hands a job over; the job must not inherit that for life.
            preexec_fn=lambda: signal.pthread_sigmask(signal.SIG_SETMASK, []),
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise LightshipError(f"The job could not be started ({error}).", ExitStatus.SUBMIT) from error


def _stop(process: Process) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.number, signal.SIGTERM)
        return
    # It has only just been started, and its session not yet.
    with suppress(ProcessLookupError):
        os.kill(process.number, signal.SIGTERM)


def _lives(process: Process) -> bool:
    try:
        os.kill(process.number, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True  # another user's: the agent cannot look closer
    return _began(process.number) in (process.began, "")


def _began(number: int) -> str:
    """When a process began, in clock ticks since the machine did; nothing when it cannot be seen or is dead."""
    try:
        fields = Path("/proc", str(number), "stat").read_text("ascii", "replace").rpartition(")")[2].split()
    except OSError:
        return ""
    return "dead" if fields[0] in ("Z", "X") else fields[19]


def _ticks(number: int) -> str:
    began = _began(number)
    return began if began.isdigit() else "0"


def _host() -> str:
    return re.sub(r"[^A-Za-z0-9-]", "-", socket.gethostname().partition(".")[0])[:36] or "localhost"


def _ends_at_logout() -> bool:
    return _says(("loginctl", "show-session", "--property=KillUserProcesses", "--value"))


def _lingers() -> bool:
    return bool(shutil.which("systemd-run")) and _says(
        ("loginctl", "show-user", str(os.getuid()), "--property=Linger", "--value")
    )


def _says(command: Sequence[str]) -> bool:
    try:
        return ask(command).stdout.strip() == "yes"
    except LightshipError:
        return False  # no systemd, so nothing of it ends anything
