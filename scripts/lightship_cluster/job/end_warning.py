"""Warns a few minutes before a notebook ends: in the job's log, and in the terminals that are open in Jupyter.

The terminals are written to as `wall` would. They are found by the processes that the notebook started, never by their
owner: on the same node the user may have other jobs and logins, which the warning does not concern.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lightship_cluster.core.durations import humanized
from lightship_cluster.core.job_log import say
from lightship_cluster.job.endings import end_of_job
from lightship_protocol.limits import WARN_SECONDS

PROC = Path("/proc")


class EndWarning:
    """Warns once: when the time has come, or earlier when the scheduler signals."""

    def __init__(self) -> None:
        self._end = 0.0
        self._due = 0.0
        self._told = False

    def expect(self, expires: float) -> None:
        """Set the end of the notebook. A short one is warned in its second half, not at its start."""
        self._end = min(filter(None, (expires, end_of_job())))
        self._due = self._end - min(WARN_SECONDS, (self._end - time.time()) / 2)

    def signalled(self) -> None:
        """Warn as soon as possible: the scheduler sent its signal. Safe to call from a signal handler."""
        self._due = min(self._due, time.time())

    def pause(self) -> float:
        """The seconds until the warning is due."""
        return float("inf") if self._told else max(0.0, self._due - time.time())

    def warn_if_due(self, process: int, noun: str = "notebook") -> None:
        """Warn if the time has come, in the log and in the terminals of this process."""
        if self._told or time.time() < self._due:
            return
        self._told = True
        end = min(self._end, time.time() + WARN_SECONDS)
        at = time.strftime("%H:%M", time.localtime(end))
        sentence = f"This {noun} ends in {humanized(end - time.time() + 1)}, at {at}: save your work."
        say(sentence)
        write_to_terminals(process, f"Lightship: {sentence}")


@dataclass(frozen=True)
class _Process:
    number: int
    parent: int
    leads_session: bool
    terminal: int


def write_to_terminals(ancestor: int, text: str, proc: Path = PROC) -> int:
    """Write a line to each terminal whose shell descends from the process; return their number."""
    return sum(_write(proc / str(shell.number) / "fd" / "0", text) for shell in _shells(ancestor, proc))


def _shells(ancestor: int, proc: Path) -> list[_Process]:
    known = {process.number: process for process in _processes(proc)}
    leaders = [process for process in known.values() if process.leads_session and process.terminal]
    return [shell for shell in leaders if _descends(shell, ancestor, known)]


def _processes(proc: Path) -> Iterator[_Process]:
    for folder in proc.iterdir():
        if not folder.name.isdigit():
            continue
        try:
            fields = (folder / "stat").read_text("ascii", "replace").rpartition(")")[2].split()
            parent, session, terminal = int(fields[1]), int(fields[3]), int(fields[4])
        except (OSError, ValueError, IndexError):
            continue  # it has ended meanwhile, or is not readable
        yield _Process(int(folder.name), parent, session == int(folder.name), terminal)


def _descends(process: _Process, ancestor: int, known: dict[int, _Process]) -> bool:
    # The table was not read in one moment: a number may have been reused, so there may be a loop.
    for _generation in range(len(known)):
        if process.parent == ancestor:
            return True
        parent = known.get(process.parent)
        if parent is None:
            return False
        process = parent
    return False


def _write(terminal: Path, text: str) -> int:
    # Through the shell's own descriptor: in a container, the terminal's name may mean another one outside. Without
    # waiting: the user may have stopped the terminal's output.
    try:
        descriptor = os.open(terminal, os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return 0
    try:
        if not os.isatty(descriptor):
            return 0
        os.write(descriptor, f"\r\n\a{text}\r\n".encode())
    except OSError:
        return 0
    finally:
        os.close(descriptor)
    return 1
