"""What is told of a failed renewal: a word for the metrics, a sentence for `lightship doctor`, and what to do."""

from __future__ import annotations

import errno
import json
import os
import sys
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


def _path() -> Path | None:
    """Return the file of the service's run; none for a run by hand, which says it to a person."""
    folder = os.environ.get(FOLDER)
    return Path(folder, FILE) if folder else None


def keep(failure: FailureError) -> None:
    """Write why this run of the service failed."""
    if path := _path():
        beside = path.with_suffix(".new")
        beside.write_text(
            json.dumps({"reason": failure.reason, "sentence": failure.sentence, "remedy": failure.remedy}), "utf-8"
        )
        beside.replace(path)


def forget() -> None:
    """Remove what an earlier run wrote."""
    if path := _path():
        path.unlink(missing_ok=True)


def disk_full(error: OSError) -> FailureError:
    """Return what to tell of a full disk."""
    where = f" for {error.filename}" if error.filename else ""
    return FailureError(
        "disk-full",
        f"There is no room on the disk{where}, so the certificate was not renewed; the old one is whole.",
        "Make room: df -h /etc/letsencrypt /var/log/letsencrypt /var/lib/letsencrypt. The next run then succeeds.",
    )


def report(program: str, error: Exception) -> int:
    """Print and keep what happened, and return the status of the program."""
    print(f"{program}: {error}", file=sys.stderr)
    if isinstance(error, FailureError):
        failure = error
    elif isinstance(error, OSError) and error.errno in FULL:
        failure = disk_full(error)
    else:
        failure = FailureError("unknown", f"{error}", "See journalctl -u lightship-certificates.")
    try:
        keep(failure)
    except OSError as full:
        print(f"{program}: cannot write for `lightship doctor` why: {full}", file=sys.stderr)
    return 1
