"""Shows the progress of a start: a live line on a terminal, plain lines elsewhere, the link alone, or events.

The link goes to standard output, and the rest to standard error. Events, for programs, go to standard output.
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
# The columns from which the number of the job fits beside the state.
WIDE = 60
# Shorter steps are not shown.
MOMENT_SECONDS = 2.0
# If there is no room for both, the start of a job is shown and not the reason why it waits.
_QUEUED = re.compile(r"(?P<state>[^:,]+)(?P<reason>: .*)?, starts about (?P<start>.*)")


class Progress:
    """The progress for a person: one state at a time."""

    def __init__(self, stream: TextIO | None = None, noun: str = "notebook") -> None:
        self._noun = noun
        self._job = ""
        # The caller may have closed the stream.
        self._stream = stream or sys.stderr or io.StringIO()
        self._live = self._stream.isatty() and os.environ.get("TERM", "") not in ("", "dumb")
        self._since = time.monotonic()
        self._shown = ""

    def link(self, name: str, url: str) -> None:  # noqa: ARG002 - the name is in the URL
        """Show the link, as soon as it has a job."""
        self.clear()
        print(f"Your {self._noun} is here:\n    {url}", flush=True)

    def show(self, words: str, detail: Mapping[str, Any] | None = None) -> None:  # noqa: ARG002 - for programs
        """Show the state; on a terminal with the elapsed time."""
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
        """Show the words if the block takes long; on a terminal with the elapsed time."""

        def tick(*_: object) -> None:
            with suppress(OSError):  # a failed write must not interrupt the step
                self.show(words)

        # By a signal, not by a thread: a thread would receive the signals that are held back.
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
        """Show the job's number beside each state from now on."""
        self._job = job_id

    def say(self, text: str) -> None:
        """Show a line that stays."""
        self.clear()
        self._write(visible(text) + "\n")

    def ready(self, words: str, detail: Mapping[str, Any]) -> None:  # noqa: ARG002 - for programs
        """Show that the notebook answers."""
        self.say(words)

    def clear(self) -> None:
        """Erase the live line."""
        if self._live and self._shown:
            self._write(ERASE_LINE)
        self._shown = ""

    def _width(self) -> int:
        try:
            # A terminal without a known size reports 0.
            return os.get_terminal_size(self._stream.fileno()).columns or 80
        except OSError:
            return 80

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


class Quiet(Progress):
    """Prints the link alone; errors are printed all the same."""

    def link(self, name: str, url: str) -> None:  # noqa: ARG002 - the name is in the URL
        """Print the link."""
        print(url, flush=True)

    def show(self, words: str, detail: Mapping[str, Any] | None = None) -> None:
        """Print nothing."""

    def say(self, text: str) -> None:
        """Print nothing."""


class Events(Progress):
    """The progress for a program: one JSON object per line, each with its `event`."""

    def link(self, name: str, url: str) -> None:
        """The event of the link; the URL includes the token."""
        tell("link", name=name, url=url)

    @contextmanager
    def waiting(self, words: str) -> Iterator[None]:  # noqa: ARG002 - states are those of a job
        """Show nothing: only a job has states."""
        yield

    def job(self, job_id: str, log: str) -> None:
        """The event of the job, with its log."""
        tell("job", job_id=job_id, log=log)

    def show(self, words: str, detail: Mapping[str, Any] | None = None) -> None:
        """The event of a new state."""
        if words != self._shown:
            tell("state", words=words, **(detail or {}))
        self._shown = words

    def say(self, text: str) -> None:
        """The event of a remark or a warning."""
        tell("note", words=text)

    def ready(self, words: str, detail: Mapping[str, Any]) -> None:
        """The last event of a start that succeeds."""
        tell("ready", words=words, **detail)

    def clear(self) -> None:
        """Do nothing: there is no live line."""


def tell(event: str, **metadata: object) -> None:
    """Print one event."""
    print(json.dumps({"event": event, **metadata}), flush=True)


def tell_failure(error: LightshipError) -> None:
    """The last event of a start that fails."""
    # The reader may have gone; the sentence goes to standard error too.
    with suppress(OSError):
        tell("failed", status=int(error.status), code=error.status.name, words=error.sentence)


def require_reader() -> None:
    """Raise a BrokenPipeError if nobody reads standard output any more."""
    poll = select.poll()
    with suppress(OSError, ValueError, AttributeError):  # it is closed or not a file: nothing can be checked
        poll.register(sys.stdout.fileno(), 0)
    if any(event & select.POLLERR for _, event in poll.poll(0)):
        raise BrokenPipeError


def progress_for(line: Line, noun: str = "notebook") -> Progress:
    """The progress that the command line asks for."""
    return Events() if line.json else Quiet() if line.quiet else Progress(noun=noun)


def _fitting(words: str, width: int) -> str:
    """The words, shortened to the width."""
    queued = _QUEUED.fullmatch(words)
    shorter = (
        (f"{queued['state']}, starts about {queued['start']}", f"Starts about {queued['start']}") if queued else ()
    )
    return next((each for each in (words, *shorter) if len(each) <= width), shortened(words, max(3, width)))
