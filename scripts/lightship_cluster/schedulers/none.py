"""No scheduler: the job runs on this machine, in its own session, and goes on after its user logs out.

Nothing limits its resources; the end of its link is its time limit. Only this machine knows its state.
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
# The shell exits at once, so that the job is a child of init, which reaps it.
_DETACH = 'log="$1"; shift; "$@" </dev/null >>"$log" 2>&1 & echo "$!"'
# systemd may end a user's processes at logout, but not those of the own manager of a lingering user.
_LINGERING = ("systemd-run", "--user", "--scope", "--quiet", "--collect")


@dataclass(frozen=True)
class Process:
    """A job's first process; its start, in clock ticks, distinguishes it from a later process with the same number."""

    host: str
    number: int
    began: str


class Here:
    """This machine."""

    name = "This machine"

    def check(self, _resources: Resources, script: Path | None = None) -> str:
        """Refuse a script that cannot run, and a job that would end at logout."""
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
        """Start the job; its name has the host, the first process, and that process's start."""
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
        """The states of this machine's jobs; those of other hosts are unknown."""
        found = {job_id: process_of(job_id) for job_id in job_ids}
        return {
            job_id: JobState(RUNS, node=process.host) if _lives(process) else GONE
            for job_id, process in found.items()
            if process and process.host == _host()
        }

    def accounted(self, _job_ids: Iterable[str]) -> dict[str, JobState]:
        """Empty: there is no accounting."""
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
        """Empty: every user can see processes."""
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
    """The process in a job's name; None for a scheduler's job number."""
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
            # start-jupyter blocks signals while it submits; the job must not inherit the blocked signals.
            preexec_fn=lambda: signal.pthread_sigmask(signal.SIG_SETMASK, []),
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise LightshipError(f"The job could not be started ({error}).", ExitStatus.SUBMIT) from error


def _stop(process: Process) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.number, signal.SIGTERM)
        return
    # It has just started and has no session yet.
    with suppress(ProcessLookupError):
        os.kill(process.number, signal.SIGTERM)


def _lives(process: Process) -> bool:
    try:
        os.kill(process.number, 0)
        began = _began(process.number)
        if not began:
            # It has ended since, which this raises, or it cannot be seen.
            os.kill(process.number, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True  # another user's process, of which the agent sees no more
    return began in (process.began, "")


def _began(number: int) -> str:
    """The start of a process in clock ticks since boot; "dead" for a zombie, empty if it cannot be seen."""
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
        return False  # without systemd nothing ends jobs at logout
