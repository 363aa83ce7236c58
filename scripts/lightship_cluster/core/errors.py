"""The one error class of this package and the exit statuses of its commands."""

from __future__ import annotations

from enum import IntEnum


class ExitStatus(IntEnum):
    """What a command's exit status means; the guide lists them and a test keeps the two alike."""

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
    """Something went wrong that a person can act on: the sentence says what happened and what to do next."""

    def __init__(self, sentence: str, status: ExitStatus = ExitStatus.FAILED) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.status = status
