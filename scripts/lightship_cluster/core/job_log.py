"""A job's log: what register-jupyter writes to it, and its last lines for a terminal and for the link's page."""

from __future__ import annotations

import os
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from lightship_cluster.core.link_folder import LinkFolder
from lightship_cluster.core.texts import cleaned

LOG_BYTES = 65536


def say(sentence: str) -> None:
    """Write a line to the log. If the user's home is full, the line is lost and the notebook goes on."""
    with suppress(OSError):
        print(sentence, flush=True)


@lru_cache(64)
def say_once(sentence: str) -> None:
    """Write a line once, though every request to a page may cause it."""
    say(sentence)


def last_lines(folder: LinkFolder, most: int) -> list[str]:
    """The log's last lines, without empty ones and without control characters.

    If a job ended before its script wrote to the log, its lines may be in the scheduler's log.
    """
    return _lines(log_of(folder))[-most:]


def scheduler_log(log: Path) -> Path:
    """The scheduler's own log, written when the job is over: what it printed before its script opened the log."""
    return log.with_name("scheduler.log")


def log_of(folder: LinkFolder) -> Path:
    """The file with the last lines."""
    others = scheduler_log(folder.log)
    return folder.log if _lines(folder.log) or not _lines(others) else others


def _lines(log: Path) -> list[str]:
    try:
        with log.open("rb") as stream:
            stream.seek(max(0, os.fstat(stream.fileno()).st_size - LOG_BYTES))
            text = stream.read(LOG_BYTES).decode("utf-8", "replace")
    except OSError:
        return []
    return [line for line in cleaned(text).splitlines() if line.strip()]
