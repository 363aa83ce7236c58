"""Runs a program as a child process of the job, and stops it with everything that it started."""

from __future__ import annotations

import ctypes
import os
import pkgutil
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from typing import ClassVar

from lightship_cluster.core.errors import ExitStatus, LightshipError
from lightship_cluster.core.paths import is_there
from lightship_cluster.core.programs import run_program
from lightship_cluster.environments.base import Start
from lightship_cluster.environments.interfaces import A_NOTEBOOK, Subject

STOP_SECONDS = 10.0
CLEANUP_SECONDS = 30.0
# The limits for the first answer, and before that for fetching and unpacking an image.
START_SECONDS = 600.0
FETCH_SECONDS = 3600.0

_LIBC = ctypes.CDLL(None)
_PR_SET_PDEATHSIG = 1


def _end_with_parent() -> None:
    # If register-jupyter is killed, the program must not go on without it.
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def guard(group: int, start: Start) -> subprocess.Popen[bytes]:
    """Start a process that ends the process group when this process has ended, in whatever way.

    The kernel's parent-death signal (above) is lost when a container runtime changes its privileges, as all do.
    """
    script = (pkgutil.get_data(__package__, "guard.sh") or b"").decode("utf-8")
    return subprocess.Popen(
        # With -p, bash reads nothing of the user's: neither the file that BASH_ENV names nor functions that replace
        # `kill`.
        ["/bin/bash", "-p", "-c", script, "lightship-guard", str(group), *start.cleanup],
        env=dict(start.variables),
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


class Child:
    """The running program."""

    subject: ClassVar[Subject] = A_NOTEBOOK

    def __init__(self, start: Start, umask: int) -> None:
        self._start = start
        program = start.command[0]
        if not shutil.which(program, path=start.variables.get("PATH", os.defpath)):
            raise LightshipError(
                f"There is no {program!r} on this node's PATH. Activate your environment before start-jupyter, "
                "name it with --venv, --conda, --module or --image, or load it in a batch script of your own.",
                ExitStatus.JUPYTER,
            )
        try:
            # Its own session, to be stopped as a whole; the user's umask, since the files are the user's.
            self._process = subprocess.Popen(
                start.command,
                env=dict(start.variables),
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                umask=umask,
                preexec_fn=_end_with_parent,  # noqa: PLW1509 - there are no other threads
            )
        except OSError as error:
            raise LightshipError(f"Cannot start {program!r}: {error.strerror}.", ExitStatus.JUPYTER) from error
        self._guard = guard(self._process.pid, start)
        self._started = self._runs_since = time.monotonic()

    @property
    def process(self) -> int:
        """The number of the program's process."""
        return self._process.pid

    def wait(self, seconds: float) -> int | None:
        """Wait for the exit status; None if the program still runs after the seconds."""
        try:
            return self._process.wait(max(0.0, seconds))
        except subprocess.TimeoutExpired:
            return None

    def late(self, for_first_answer: float) -> bool:
        """Whether the first answer is late; the time counts from the start of the program in its container."""
        begun = self._start.begun
        now = time.monotonic()
        if begun and not is_there(begun):
            if now - self._started < FETCH_SECONDS:
                self._runs_since = now
                return False
            raise LightshipError(
                f"The image was not ready within {FETCH_SECONDS / 60:.0f} min of the job's start. Fetch it once into a "
                "file and give that with --image; job.log says how far it came.",
                ExitStatus.JUPYTER,
            )
        return now - self._runs_since > for_first_answer

    def check(self) -> None:
        """Raise an error if the program runs but cannot be used."""

    def ask_to_stop(self) -> None:
        """Ask the program to end by itself."""
        self._signal(signal.SIGTERM)

    def stop(self) -> None:
        """Stop the program and the rest of its process group."""
        if self.wait(0) is None:
            self.ask_to_stop()
            self.wait(STOP_SECONDS)
        self._signal(signal.SIGKILL)
        # With a limit: a process of another user, or one that waits for a lost file system, cannot be killed.
        self.wait(STOP_SECONDS)
        self._dismiss_guard()
        if self._start.cleanup:
            with suppress(OSError, subprocess.TimeoutExpired):
                run_program(self._start.cleanup, self._start.variables, CLEANUP_SECONDS)

    def _signal(self, number: int) -> None:
        try:
            os.killpg(self._process.pid, number)
        except (ProcessLookupError, PermissionError):
            return  # all have ended, or run as another user, as under a set-user-id runtime

    def _dismiss_guard(self) -> None:
        # A guard that is killed while it waits does nothing.
        self._guard.kill()
        self._guard.communicate()
