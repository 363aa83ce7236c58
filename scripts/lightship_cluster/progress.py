"""What is shown while a job waits: one live line on a terminal, plain lines elsewhere, always on standard error."""

from __future__ import annotations

import os
import sys
import time
from typing import TextIO

from lightship_cluster.durations import words_of

ERASE_LINE = "\r\x1b[K"


class Progress:
    """Shows one state at a time."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._live = self._stream.isatty() and os.environ.get("TERM", "") not in ("", "dumb")
        self._since = time.monotonic()
        self._shown = ""

    def show(self, words: str) -> None:
        """The state now; on a terminal the elapsed time runs along."""
        if self._live:
            elapsed = f"  ({words_of(time.monotonic() - self._since)})"
            self._write(ERASE_LINE + _shortened(words, self._width() - len(elapsed) - 1) + elapsed)
        elif words != self._shown:
            self._write(words + "\n")
        self._shown = words

    def say(self, text: str) -> None:
        """Something that stays."""
        self.clear()
        self._write(text + "\n")

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


def _shortened(words: str, width: int) -> str:
    return words if len(words) <= width else words[: max(0, width - 3)] + "..."
