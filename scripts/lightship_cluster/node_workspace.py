"""A private folder on the compute node's own disk, for the key, the certificate and Jupyter's sockets."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lightship_cluster.errors import ExitStatus, LightshipError

LOCK = "lock"
# Between making a folder and locking it there is a moment; younger folders are left alone.
SETTLED_SECONDS = 60.0
# A Unix socket's path holds 107 characters, and Jupyter's own part of it takes 60 of them.
LONGEST_PARENT = 24


@contextmanager
def workspace() -> Iterator[Path]:
    """A folder that is gone afterwards; one left by a job that was killed is removed by the user's next job here."""
    with node_disk():
        parent = _parent()
        _remove_abandoned(parent)
        folder = Path(tempfile.mkdtemp(prefix=_prefix(), dir=parent))
        lock = (folder / LOCK).open("w")
        # The kernel lets go of the lock when this process ends, however it ends.
        fcntl.flock(lock, fcntl.LOCK_EX)
    with lock:
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def node_disk() -> Iterator[None]:
    """What is written on the node's own disk, or a sentence that says why it cannot be."""
    try:
        yield
    except OSError as error:
        place = f" in {Path(error.filename).parent}" if error.filename else ""
        raise LightshipError(
            f"This node's own disk is full or cannot be written ({error.strerror}{place}). Start again; if it is the "
            "same node, tell your administrators.",
            ExitStatus.FAILED,
        ) from error


def _parent() -> Path:
    chosen = tempfile.gettempdir()
    return Path(chosen if len(chosen) <= LONGEST_PARENT else "/tmp")  # noqa: S108 - mkdtemp makes it private


def _prefix() -> str:
    return f"lightship-{os.geteuid()}-"


def _remove_abandoned(parent: Path) -> None:
    for folder in parent.glob(_prefix() + "*"):
        try:
            if _is_abandoned(folder):
                shutil.rmtree(folder, ignore_errors=True)
        except OSError:
            continue  # another user's, or just removed by another job


def _is_abandoned(folder: Path) -> bool:
    found = folder.lstat()
    if found.st_uid != os.geteuid() or found.st_mtime > time.time() - SETTLED_SECONDS:
        return False
    try:
        descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_NOFOLLOW)
    except FileNotFoundError:
        return True
    with os.fdopen(descriptor, "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
