"""A job's log: what register-jupyter says in it, and its end for a terminal and for the link's page."""

from __future__ import annotations

import os
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from lightship_cluster.core.link_folder import LinkFolder
from lightship_cluster.core.texts import cleaned

LOG_BYTES = 65536


def say(sentence: str) -> None:
    """Write a line. The log is in the user's home: where that is full the line is lost, and the notebook lives on."""
    with suppress(OSError):
        print(sentence, flush=True)


@lru_cache(64)
def say_once(sentence: str) -> None:
    """Write a line that each request of a page may cause."""
    say(sentence)


def last_lines(folder: LinkFolder, most: int) -> list[str]:
    """The log's last lines, without empty ones and without anything that could drive a terminal.

    A job that ended before its script wrote to the log may have left lines where its scheduler keeps them.
    """
    return _lines(log_of(folder))[-most:]


def scheduler_log(log: Path) -> Path:
    """Where the scheduler puts what a job prints before its script writes to the log itself, once the job is over."""
    return log.with_name("scheduler.log")


def log_of(folder: LinkFolder) -> Path:
    """The file that has them."""
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
