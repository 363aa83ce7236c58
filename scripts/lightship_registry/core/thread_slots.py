"""Slots of the few threads that work for requests, which threads that only wait for a lock give up.

Few threads work at a time, because more would slow each other down. A thread that waits for a lock does no work: if it
kept its slot, three waiting requests would block every page for as long as another program locks the store.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from anyio import CapacityLimiter
from sqlalchemy.exc import OperationalError

# A shorter wait keeps the slot: it is usual among threads that write one after the other.
SHORT_SECONDS = 0.1
# Of more waiting threads than this, the next fail at once.
MOST_WAITING = 32


class ThreadSlots:
    """Lends the slot of a waiting thread to another one, once the event loop is known."""

    def __init__(self) -> None:
        self._tell: Callable[[int], object] = lambda _change: None
        self._counting = threading.Lock()
        self._waiting = 0

    def connect(self, limiter: CapacityLimiter) -> None:
        """Use the limiter of the running event loop."""
        loop = asyncio.get_running_loop()

        def change(by: int) -> None:
            limiter.total_tokens += by

        self._tell = lambda by: loop.call_soon_threadsafe(change, by)

    @contextmanager
    def lent(self) -> Iterator[None]:
        """Lend the slot of the calling thread during the block."""
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
        """Wait for a lock, and lend the slot meanwhile."""
        if lock.acquire(timeout=min(SHORT_SECONDS, seconds)):
            return True
        with self.lent():
            return lock.acquire(timeout=max(0.0, seconds - SHORT_SECONDS))
