"""What is told of a failed renewal: a word for the metrics, a sentence for `lightship doctor`, and what to do."""

from __future__ import annotations

import errno
import json
import os
import sys
from collections.abc import Set
from pathlib import Path

# systemd makes the folder, in memory: a full disk must not hide why the renewal failed.
FOLDER = "RUNTIME_DIRECTORY"
FILE = "failure.json"
FULL = (errno.ENOSPC, errno.EDQUOT)


class FailureError(Exception):
    """What happened, and what to do next."""

    def __init__(self, reason: str, sentence: str, remedy: str, details: str = "") -> None:
        super().__init__(f"{sentence} {remedy}" + (f"\n{details}" if details else ""))
        self.reason = reason
        self.sentence = sentence
        self.remedy = remedy


def _path(file: str) -> Path | None:
    """Return the file of the service's run; none for a run by hand, which says it to a person."""
    folder = os.environ.get(FOLDER)
    return Path(folder, file) if folder else None


def keep(failure: FailureError, file: str = FILE) -> None:
    """Write why this run of the service failed."""
    if path := _path(file):
        beside = path.with_suffix(".new")
        beside.write_text(
            json.dumps({"reason": failure.reason, "sentence": failure.sentence, "remedy": failure.remedy}), "utf-8"
        )
        beside.replace(path)


def forget(file: str = FILE) -> None:
    """Remove what an earlier run wrote."""
    if path := _path(file):
        path.unlink(missing_ok=True)


def forget_others(files: Set[str]) -> None:
    """Remove what earlier runs wrote in other files than these."""
    if path := _path(FILE):
        for file in path.parent.glob("*.json"):
            if file.name not in files:
                file.unlink(missing_ok=True)


def disk_full(error: OSError) -> FailureError:
    """Return what to tell of a full disk."""
    where = f" for {error.filename}" if error.filename else ""
    return FailureError(
        "disk-full",
        f"There is no room on the disk{where}, so the certificate was not renewed; the old one is whole.",
        "Make room: df -h /etc/letsencrypt /var/log/letsencrypt /var/lib/letsencrypt. The next run then succeeds.",
    )


def report(program: str, error: Exception, file: str = FILE) -> int:
    """Print and keep what happened, and return the status of the program."""
    print(f"{program}: {error}", file=sys.stderr)
    if isinstance(error, FailureError):
        failure = error
    elif isinstance(error, OSError) and error.errno in FULL:
        failure = disk_full(error)
    else:
        failure = FailureError("unknown", f"{error}", "See journalctl -u lightship-certificates.")
    try:
        keep(failure, file)
    except OSError as full:
        print(f"{program}: cannot write for `lightship doctor` why: {full}", file=sys.stderr)
    return 1
