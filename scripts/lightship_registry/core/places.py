"""The few threads that work for requests, and those that only wait for a lock.

Few work at a time, because more would be in each other's way. Those that wait for a lock work on nothing: were they
counted, three requests that change something would stop every page for as long as another program keeps the store.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from anyio import CapacityLimiter
from sqlalchemy.exc import OperationalError

# Waiting shorter than this is no waiting: it is the usual way of those who write one after the other.
SHORT_SECONDS = 0.1
# More than this many wait for nothing: the next are told at once.
MOST_WAITING = 32


class Places:
    """Lends the place of a thread that waits to another one, once the event loop is known."""

    def __init__(self) -> None:
        self._tell: Callable[[int], object] = lambda _change: None
        self._counting = threading.Lock()
        self._waiting = 0

    def connect(self, limiter: CapacityLimiter) -> None:
        """Called in the event loop whose limiter it is."""
        loop = asyncio.get_running_loop()

        def change(by: int) -> None:
            limiter.total_tokens += by

        self._tell = lambda by: loop.call_soon_threadsafe(change, by)

    @contextmanager
    def lent(self) -> Iterator[None]:
        """For as long as the calling thread waits."""
        with self._counting:
            if self._waiting >= MOST_WAITING:
                raise OperationalError("waiting for the store", None, sqlite3.OperationalError("database is locked"))
            self._waiting += 1
        self._tell(1)
        try:
            yield
        finally:
            self._tell(-1)
            with self._counting:
                self._waiting -= 1

    def acquire(self, lock: threading.Lock, seconds: float) -> bool:
        """Wait for a lock, and lend the place meanwhile."""
        if lock.acquire(timeout=min(SHORT_SECONDS, seconds)):
            return True
        with self.lent():
            return lock.acquire(timeout=max(0.0, seconds - SHORT_SECONDS))
