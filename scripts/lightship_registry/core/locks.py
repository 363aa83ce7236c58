"""A lock between threads and between processes: the service and an administrator's command change the same routes."""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lightship_registry.core.errors import RegistryError
from lightship_registry.core.places import Places

LOCK_SECONDS = 10.0
RETRY_SECONDS = 0.005


class SharedLock:
    """Held for the few milliseconds in which a link's state and its route change together.

    The kernel frees it when its holder dies, so nobody ever has to remove the file.
    """

    def __init__(self, path: Path, seconds: float = LOCK_SECONDS, places: Places | None = None) -> None:
        self._path = path
        self._places = places or Places()
        self._seconds = seconds
        self._threads = threading.Lock()

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Wait for the lock, and have it until the end of the block."""
        # One limit for both: threads that each waited their own would wait for minutes together.
        deadline = time.monotonic() + self._seconds
        if not self._places.acquire(self._threads, self._seconds):
            raise self._held()
        try:
            # Only to read: what is over must end on a disk that became read-only, too.
            descriptor = os.open(self._path, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            try:
                self._take(descriptor, deadline)
                yield
            finally:
                os.close(descriptor)
        finally:
            self._threads.release()

    def _take(self, descriptor: int, deadline: float) -> None:
        # Not a blocking flock: a command that was stopped in its terminal would stop the service for ever.
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
