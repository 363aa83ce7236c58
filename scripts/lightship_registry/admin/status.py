from __future__ import annotations

import enum


class ExitStatus(enum.IntEnum):
    """What the exit status of `lightship` says; listed in README.md."""

    OK = 0
    FAILED = 1  # it could not be done; for doctor: something is wrong
    USAGE = 2
    SETTINGS = 3  # a setting of registry.toml is wrong
    NOT_FOUND = 4  # no such link or cluster
    DECLINED = 5  # the question whether to go on was answered with no
