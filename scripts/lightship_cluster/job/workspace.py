"""A private folder on the compute node's own disk, for the key, the certificate and Jupyter's sockets.

Users may have a TMPDIR that all nodes share, where a lock often holds on one node alone: so it names its node.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO

from lightship_cluster.core.errors import ExitStatus, LightshipError

LOCK = "lock"
# Between making a folder and locking it there is a moment; younger folders are left alone.
SETTLED_SECONDS = 60.0
# One that names no node may be a living job's on another: of an older version, or where locks came later.
UNNAMED_SECONDS = 7 * 86400.0
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL}
_LONGEST_NAME = 256
# A Unix socket's path holds 107 characters, and Jupyter's own part of it takes 60 of them.
LONGEST_PARENT = 24


@contextmanager
def workspace() -> Iterator[Path]:
    """A folder that is gone afterwards; one left by a job that was killed is removed by the user's next job here."""
    with ExitStack() as last:
        with node_disk():
            parent = _parent()
            folder = Path(tempfile.mkdtemp(prefix=_prefix(), dir=parent))
            last.callback(shutil.rmtree, folder, ignore_errors=True)
            # Closed before the folder is removed: NFS keeps the name of an open file.
            lock = last.enter_context((folder / LOCK).open("wb", buffering=0))
            if _is_locked(lock):
                _remove_abandoned(parent)
        yield folder


@contextmanager
def node_disk() -> Iterator[None]:
    """What is written on the node's own disk, or a sentence that says why it cannot be."""
    try:
        yield
    except OSError as error:
        where = f" in {Path(error.filename).parent}" if error.filename else ""
        raise LightshipError(
            f"This node's own disk is full or cannot be written ({error.strerror}{where}). Start again; if it is the "
            "same node, tell your administrators.",
            ExitStatus.FAILED,
        ) from error


def _parent() -> Path:
    chosen = tempfile.gettempdir()
    return Path(chosen if len(chosen) <= LONGEST_PARENT else "/tmp")  # noqa: S108 - mkdtemp makes it private


def _prefix() -> str:
    return f"lightship-{os.geteuid()}-"


def _is_locked(lock: BinaryIO) -> bool:
    """Whether the folder is locked, in the name of this node; not all file systems know locks."""
    try:
        # The kernel lets go of the lock when this process ends, however it ends.
        fcntl.flock(lock, fcntl.LOCK_EX)
    except OSError as error:
        if error.errno in _NO_LOCKS:
            return False
        raise
    lock.write(_node())
    return True


def _node() -> bytes:
    return os.fsencode(socket.gethostname())


def _remove_abandoned(parent: Path) -> None:
    for folder in parent.glob(_prefix() + "*"):
        try:
            if _is_abandoned(folder):
                shutil.rmtree(folder, ignore_errors=True)
        except OSError:
            continue  # another user's, or just removed by another job


def _is_abandoned(folder: Path) -> bool:
    found = folder.lstat()
    age = time.time() - found.st_mtime
    if found.st_uid != os.geteuid() or age < SETTLED_SECONDS:
        return False
    try:
        descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_NOFOLLOW)
    except FileNotFoundError:
        return age > UNNAMED_SECONDS
    with os.fdopen(descriptor, "r+b", buffering=0) as lock:
        node = lock.read(_LONGEST_NAME)
        if node != _node() and (node or age < UNNAMED_SECONDS):
            return False
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
