"""A private folder on the compute node's own disk, for the key, the certificate and Jupyter's sockets.

A TMPDIR may be shared by all nodes, where a lock often holds on one node only. So the lock file names its node.
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
# A folder is locked a moment after it is created, so younger folders are left alone.
SETTLED_SECONDS = 60.0
# A folder that names no node may belong to a job on another node: from an older version, or without support for locks.
UNNAMED_SECONDS = 7 * 86400.0
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL}
_LONGEST_NAME = 256
# A Unix socket's path holds 107 characters, and Jupyter's own part of it takes 60 of them.
LONGEST_PARENT = 24


@contextmanager
def workspace() -> Iterator[Path]:
    """Create a folder and remove it afterwards. The folder of a killed job is removed by the user's next job here."""
    with ExitStack() as last:
        with node_disk():
            parent = _parent()
            folder = Path(tempfile.mkdtemp(prefix=_prefix(), dir=parent))
            last.callback(shutil.rmtree, folder, ignore_errors=True)
            # Closed before the folder is removed: NFS keeps a file that is open.
            lock = last.enter_context((folder / LOCK).open("wb", buffering=0))
            if _lock(lock):
                _remove_abandoned(parent)
        yield folder


@contextmanager
def node_disk() -> Iterator[None]:
    """Turn a failed write on the node's own disk into a message with the reason."""
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


def _lock(lock: BinaryIO) -> bool:
    """Lock the folder and write this node's name; False if the file system does not support locks."""
    try:
        # The kernel releases the lock when this process ends, in whatever way.
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
