"""The audit file: one JSON line per event, rotated by logrotate."""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

MODE = 0o640
FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
MINUTE = 60.0
# Anybody can cause refusals without limit: requests that nobody vouched for must not fill the disk.
MOST_STRANGERS = 300

Tell = Callable[[str], None]


class AuditFile(logging.Handler):
    """A logging handler that appends to the audit file. No request waits for it or fails because of it."""

    def __init__(self, path: Path, as_line: Callable[[dict[str, str]], str], problem: Tell, notice: Tell) -> None:
        super().__init__()
        self._path = path
        self._as_line = as_line
        self._problem = problem
        self._notice = notice
        self._descriptor = -1
        self._trouble = ""
        self._missed = 0
        self._torn = False
        self._minute = (0.0, 0)

    def emit(self, record: logging.LogRecord) -> None:
        """Append the event. A problem is reported when it begins, when it changes, and when it is over."""
        fields: dict[str, str] = getattr(record, "fields", {})
        if not fields or not self._has_room(fields, record.created):
            return
        line = self._as_line({"time": stamp(record.created), **fields})
        try:
            self._append(f"{line}\n".encode("ascii"))
        except OSError as error:
            self._failed(error.strerror or str(error))
        else:
            self._recovered()

    def close(self) -> None:
        """Close the file."""
        self._let_go()
        super().close()

    def _has_room(self, fields: dict[str, str], now: float) -> bool:
        if fields.get("result") != "refused" or fields.get("cluster"):
            return True
        began, count = self._minute
        if not 0 <= now - began < MINUTE:
            began, count = now, 0
        self._minute = (began, count + 1)
        if count == MOST_STRANGERS:
            self._notice(
                f"More than {MOST_STRANGERS} requests within a minute that nobody vouched for: "
                f"the rest of them is not written to {self._path}."
            )
        return count < MOST_STRANGERS

    def _append(self, line: bytes) -> None:
        self._follow()
        # After half a line, as a full disk leaves it, the next event begins a new line.
        whole = b"\n" + line if self._torn else line
        # One system call: lines of the service and of the administrators' command never mix.
        written = os.write(self._descriptor, whole)
        self._torn = written < len(whole)
        if self._torn:
            raise OSError(0, "No space left on device")

    def _follow(self) -> None:
        """Open the file that is at the path now: logrotate moves the old one away."""
        if self._descriptor != -1:
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(self._descriptor), self._path.stat(follow_symlinks=False)):
                    return
            self._let_go()
        self._descriptor = _open(self._path)
        self._torn = False

    def _let_go(self) -> None:
        if self._descriptor != -1:
            os.close(self._descriptor)
            self._descriptor = -1

    def _failed(self, why: str) -> None:
        self._missed += 1
        if why != self._trouble:
            self._trouble = why
            self._problem(f"{self._path} cannot be written: {why}. Until it can, events are in the journal only.")

    def _recovered(self) -> None:
        if self._trouble:
            self._notice(f"{self._path} is written again; {self._missed} events are in the journal only.")
            self._trouble, self._missed = "", 0


def stamp(seconds: float) -> str:
    """UTC with milliseconds in ISO 8601."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _open(path: Path) -> int:
    try:
        descriptor = os.open(path, FLAGS | os.O_CREAT | os.O_EXCL, MODE)
    except FileExistsError:
        return _open_present(path)
    # Independent of the umask. The file gets the folder's group, whose members may read it.
    os.fchmod(descriptor, MODE)
    return descriptor


def _open_present(path: Path) -> int:
    descriptor = os.open(path, FLAGS)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(0, "It is no file")
    return descriptor
