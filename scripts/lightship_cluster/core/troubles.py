"""How trouble is put in words: why the system could not do a thing, and what goes wrong time after time only once."""

from __future__ import annotations

import socket


def why(error: BaseException) -> str:
    """The reason, without numbers of errors."""
    # Two classes in Python 3.9, one from 3.10 on.
    if isinstance(error, (TimeoutError, socket.timeout)):
        return "no answer in time"
    return str(getattr(error, "strerror", None) or str(error) or type(error).__name__)


class Troubles:
    """For what is done again and again: prints a trouble when it is a new one, and once when all is well again."""

    def __init__(self, fails: str, works: str) -> None:
        self._fails = fails
        self._works = works
        self._last = ""

    def say(self, trouble: str) -> None:
        """How it went this time; nothing for well."""
        if trouble and trouble != self._last:
            print(f"{self._fails}: {trouble}", flush=True)
        elif self._last and not trouble:
            print(self._works, flush=True)
        self._last = trouble
