"""The one error class of this package, the exit statuses of its commands, and the reasons of other errors in words."""

from __future__ import annotations

from enum import IntEnum


class ExitStatus(IntEnum):
    """The exit statuses of the commands; the guide lists them, and a test compares the two."""

    OK = 0
    FAILED = 1
    USAGE = 2
    SETTINGS = 3
    FOLDER = 4
    JUPYTER = 5
    SCHEDULER = 6
    PARTITION = 7
    BATCH_SCRIPT = 8
    AGENT = 9
    REGISTRY = 10
    REFUSED = 11
    SUBMIT = 12
    JOB = 13
    LINK_FOLDER = 14
    PORT = 15
    LINK_ENDED = 16
    NO_LINK = 17
    KEY = 18
    INTERRUPTED = 130


class LightshipError(Exception):
    """A failure that a person can act on: the sentence says what happened and what to do next."""

    def __init__(self, sentence: str, status: ExitStatus = ExitStatus.FAILED) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.status = status


def why(error: BaseException) -> str:
    """Return the reason of an error, without error numbers."""
    # Imported late: every command reads this module, and --help must answer at once.
    import socket

    # Two classes in Python 3.9, one from 3.10 on.
    if isinstance(error, (TimeoutError, socket.timeout)):
        return "no answer in time"
    return str(getattr(error, "strerror", None) or str(error) or type(error).__name__)


class RepeatedErrors:
    """Prints an error of a repeated task once, and one line when the task works again."""

    def __init__(self, fails: str, works: str) -> None:
        self._fails = fails
        self._works = works
        self._last = ""

    def say(self, error: str) -> None:
        """Report the result of one attempt; an empty text means success."""
        if error and error != self._last:
            print(f"{self._fails}: {error}", flush=True)
        elif self._last and not error:
            print(self._works, flush=True)
        self._last = error
