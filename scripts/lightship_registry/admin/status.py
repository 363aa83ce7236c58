from __future__ import annotations

import enum


class ExitStatus(enum.IntEnum):
    """The exit statuses of `lightship`, which README.md lists."""

    OK = 0
    FAILED = 1  # the command failed; for doctor: something is wrong
    USAGE = 2
    SETTINGS = 3  # a setting of registry.toml is wrong
    NOT_FOUND = 4  # no such link or cluster
    DECLINED = 5  # the administrator did not confirm
