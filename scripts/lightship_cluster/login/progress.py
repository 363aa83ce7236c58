"""What is shown of a start: one live line on a terminal, plain lines elsewhere, the link alone, or events for programs.

The link goes to standard output and the rest to standard error; events go to standard output.
"""

from __future__ import annotations

import io
import json
import os
import re
import select
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, TextIO

from lightship_cluster.core.durations import humanized
from lightship_cluster.core.errors import LightshipError
from lightship_cluster.core.texts import shortened, visible
from lightship_cluster.login.command_line import Line

ERASE_LINE = "\r\x1b[K"
# Columns from which on there is room for the number of the job beside what it waits for.
WIDE = 60
# What is done in less need not be told of.
MOMENT_SECONDS = 2.0
# When a job starts is worth more than why it waits.
_QUEUED = re.compile(r"(?P<state>[^:,]+)(?P<reason>: .*)?, starts about (?P<start>.*)")


class Progress:
    """For a person: shows one state at a time."""

    def __init__(self, stream: TextIO | None = None, noun: str = "notebook") -> None:
        self._noun = noun
        self._job = ""
        # Whoever starts it may have closed the stream.
        self._stream = stream or sys.stderr or io.StringIO()
        self._live = self._stream.isatty() and os.environ.get("TERM", "") not in ("", "dumb")
        self._since = time.monotonic()
        self._shown = ""

    def link(self, name: str, url: str) -> None:  # noqa: ARG002 - the name is in the URL
        """The link, as soon as there is a job that can open it."""
        self.clear()
        print(f"Your {self._noun} is here:\n    {url}", flush=True)

    def show(self, words: str, detail: Mapping[str, Any] | None = None) -> None:  # noqa: ARG002 - for programs
        """The state now; on a terminal the elapsed time runs along."""
        if self._live:
            width = self._width()
            elapsed = humanized(time.monotonic() - self._since)
            named = self._job and width >= WIDE and f"ob {self._job} " not in words
            aside = f"  (job {self._job}, {elapsed})" if named else f"  ({elapsed})"
            self._write(ERASE_LINE + visible(_fitting(words, width - len(aside) - 1)) + aside)
        elif words != self._shown:
            self._write(visible(words) + "\n")
        self._shown = words

    @contextmanager
    def waiting(self, words: str) -> Iterator[None]:
        """Show the words if what is done meanwhile takes long; on a terminal the time runs along."""

        def tick(*_: object) -> None:
            with suppress(OSError):  # it is no reason to leave half done what somebody waits for
                self.show(words)

        # By a signal, not by a thread: signals that are held back now would be heard by it.
        before = signal.signal(signal.SIGALRM, tick)
        signal.setitimer(signal.ITIMER_REAL, MOMENT_SECONDS, 1)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
            with suppress(OSError):
                self.clear()

    def job(self, job_id: str, log: str) -> None:  # noqa: ARG002 - for programs
        """The job, as soon as it has its number; a person sees it beside each state."""
        self._job = job_id

    def say(self, text: str) -> None:
        """Something that stays."""
        self.clear()
        self._write(visible(text) + "\n")

    def ready(self, words: str, detail: Mapping[str, Any]) -> None:  # noqa: ARG002 - for programs
        """The notebook answers."""
        self.say(words)

    def clear(self) -> None:
        """Take the live line away."""
        if self._live and self._shown:
            self._write(ERASE_LINE)
        self._shown = ""

    def _width(self) -> int:
        try:
            # A terminal that was never told its size says 0.
            return os.get_terminal_size(self._stream.fileno()).columns or 80
        except OSError:
            return 80

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


class Quiet(Progress):
    """The link alone; what fails is said all the same."""

    def link(self, name: str, url: str) -> None:  # noqa: ARG002 - the name is in the URL
        """The link."""
        print(url, flush=True)

    def show(self, words: str, detail: Mapping[str, Any] | None = None) -> None:
        """Nothing."""

    def say(self, text: str) -> None:
        """Nothing."""


class Events(Progress):
    """For a program: one JSON object a line, each with its `event`."""

    def link(self, name: str, url: str) -> None:
        """The link; whoever has it needs no other password."""
        tell("link", name=name, url=url)

    @contextmanager
    def waiting(self, words: str) -> Iterator[None]:  # noqa: ARG002 - states are those of a job
        """Nothing."""
        yield

    def job(self, job_id: str, log: str) -> None:
        """The job and where it prints."""
        tell("job", job_id=job_id, log=log)

    def show(self, words: str, detail: Mapping[str, Any] | None = None) -> None:
        """A state that differs from the last."""
        if words != self._shown:
            tell("state", words=words, **(detail or {}))
        self._shown = words

    def say(self, text: str) -> None:
        """A remark, as a warning."""
        tell("note", words=text)

    def ready(self, words: str, detail: Mapping[str, Any]) -> None:
        """The last event of a start that succeeds."""
        tell("ready", words=words, **detail)

    def clear(self) -> None:
        """Nothing to take away."""


def tell(event: str, **metadata: object) -> None:
    """One event; what fails before there is any progress to show is one too."""
    print(json.dumps({"event": event, **metadata}), flush=True)


def tell_failure(error: LightshipError) -> None:
    """The last event of a start that fails."""
    # Whoever reads may have gone; the sentence goes to standard error too.
    with suppress(OSError):
        tell("failed", status=int(error.status), code=error.status.name, words=error.sentence)


def require_reader() -> None:
    """Raise a BrokenPipeError if nobody reads standard output any more."""
    poll = select.poll()
    with suppress(OSError, ValueError, AttributeError):  # it is closed, or no file: then there is nothing to find out
        poll.register(sys.stdout.fileno(), 0)
    if any(event & select.POLLERR for _, event in poll.poll(0)):
        raise BrokenPipeError


def progress_for(line: Line, noun: str = "notebook") -> Progress:
    """As the command line asks for it."""
    return Events() if line.json else Quiet() if line.quiet else Progress(noun=noun)


def _fitting(words: str, width: int) -> str:
    """As much of the words as there is room for."""
    queued = _QUEUED.fullmatch(words)
    shorter = (
        (f"{queued['state']}, starts about {queued['start']}", f"Starts about {queued['start']}") if queued else ()
    )
    return next((each for each in (words, *shorter) if len(each) <= width), shortened(words, max(3, width)))
