"""Serialises the writes of this process to SQLite's file, which other programs may lock too."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import cast

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import OperationalError

from lightship_registry.core.thread_slots import SHORT_SECONDS, ThreadSlots
from lightship_registry.store.schema import BUSY_SECONDS, is_sqlite

# How long a thread waits for its turn: each one before it may wait for another program.
TURN_SECONDS = 2 * BUSY_SECONDS


class Turns:
    """A queue of writers. SQLite itself admits one writer and lets the others poll, in no order."""

    def __init__(self, slots: ThreadSlots) -> None:
        self._slots = slots
        self._lock = threading.Lock()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for the turn, and keep it until the end of the block."""
        if not self._slots.acquire(self._lock, TURN_SECONDS):
            raise OperationalError("waiting for the store", None, sqlite3.OperationalError("database is locked"))
        try:
            yield
        finally:
            self._lock.release()

    def begin(self, connection: Connection) -> None:
        """Begin a writing transaction at once: what is read before a change must still be true then."""
        driver = _driver(connection)
        # Only SQLAlchemy's bookkeeping: this driver begins no transaction by itself.
        connection.begin()
        # Any other error occurs again below, where it is counted and explained.
        with _patience(driver, SHORT_SECONDS), suppress(sqlite3.Error):
            driver.execute("BEGIN IMMEDIATE")
            return
        with self._slots.lent():
            connection.exec_driver_sql("BEGIN IMMEDIATE")


def take_in_log(engine: Engine, seconds: float) -> bool:
    """Write SQLite's log into the database file and empty it; false if a reader still needs the log.

    SQLite reads a damaged log only up to the damage: the changes after it would be lost.
    """
    if not is_sqlite(engine.url):
        return True
    with engine.connect() as connection:
        with _patience(_driver(connection), seconds):
            busy, _, _ = connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").one()
        return not busy


def _driver(connection: Connection) -> sqlite3.Connection:
    return cast("sqlite3.Connection", connection.connection.driver_connection)


@contextmanager
def _patience(driver: sqlite3.Connection, seconds: float) -> Iterator[None]:
    driver.execute(f"PRAGMA busy_timeout = {int(seconds * 1000)}")
    try:
        yield
    finally:
        driver.execute(f"PRAGMA busy_timeout = {int(BUSY_SECONDS * 1000)}")
