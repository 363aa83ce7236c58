"""A lock between threads and processes: the service and the administrators' command change the same routes."""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lightship_registry.core.errors import RegistryError
from lightship_registry.core.thread_slots import ThreadSlots

LOCK_SECONDS = 10.0
RETRY_SECONDS = 0.005


class SharedLock:
    """A lock for the few milliseconds in which files and the store change together.

    The kernel releases it when its holder dies, so nobody ever has to remove the file.
    """

    def __init__(self, path: Path, seconds: float = LOCK_SECONDS, slots: ThreadSlots | None = None) -> None:
        self._path = path
        self._slots = slots or ThreadSlots()
        self._seconds = seconds
        self._threads = threading.Lock()

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Wait for the lock, and hold it until the end of the block."""
        # One deadline for both waits: with a limit each, a row of threads would wait for minutes.
        deadline = time.monotonic() + self._seconds
        if not self._slots.acquire(self._threads, self._seconds):
            raise self._held()
        try:
            # Opened for reading: links must also end on a disk that became read-only.
            descriptor = os.open(self._path, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            try:
                self._take(descriptor, deadline)
                yield
            finally:
                os.close(descriptor)
        finally:
            self._threads.release()

    def _take(self, descriptor: int, deadline: float) -> None:
        # Not a blocking flock: a command that is suspended in its terminal would block the service for ever.
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise self._held() from None
                time.sleep(RETRY_SECONDS)
            else:
                return

    def _held(self) -> RegistryError:
        return RegistryError(
            f"Another process holds {self._path} for {self._seconds:.0f} seconds. Look: fuser {self._path}"
        )


@contextmanager
def hold_folder(folder: Path) -> Iterator[None]:
    """Keep other commands from changing the folder's files meanwhile; refuse if one does.

    The folder itself is locked: root makes no file in a folder of the service's for it.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sentence = f"Another command holds {folder}. Run this again when it has ended; which one: fuser {folder}"
            raise RegistryError(sentence) from None
        yield
    finally:
        os.close(descriptor)
