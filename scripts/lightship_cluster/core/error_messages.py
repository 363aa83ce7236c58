"""Errors in words: the reason of one error, and an error that repeats printed once."""

from __future__ import annotations

import socket


def why(error: BaseException) -> str:
    """Return the reason, without error numbers."""
    # Two classes in Python 3.9, one from 3.10 on.
    if isinstance(error, (TimeoutError, socket.timeout)):
        return "no answer in time"
    return str(getattr(error, "strerror", None) or str(error) or type(error).__name__)


class RepeatedErrors:
    """For what is done again and again: prints an error when it is new, and one line when it is over."""

    def __init__(self, fails: str, works: str) -> None:
        self._fails = fails
        self._works = works
        self._last = ""

    def say(self, error: str) -> None:
        """Tell how it went this time; an empty text is success."""
        if error and error != self._last:
            print(f"{self._fails}: {error}", flush=True)
        elif self._last and not error:
            print(self._works, flush=True)
        self._last = error
