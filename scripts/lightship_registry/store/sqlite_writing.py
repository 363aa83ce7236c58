"""How threads of one process come to write to SQLite's file, one after the other and beside other programs."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import cast

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import OperationalError

from lightship_registry.core.places import SHORT_SECONDS, Places
from lightship_registry.store.schema import BUSY_SECONDS, is_sqlite

# For those that wait within this process: each of those before may wait for another program.
TURN_SECONDS = 2 * BUSY_SECONDS


class Turns:
    """SQLite lets one writer in at a time and makes the others poll; a lock makes them queue, and in order."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._lock = threading.Lock()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for one's turn, and have it until the end of the block."""
        if not self._places.acquire(self._lock, TURN_SECONDS):
            raise OperationalError("waiting for the store", None, sqlite3.OperationalError("database is locked"))
        try:
            yield
        finally:
            self._lock.release()

    def begin(self, connection: Connection) -> None:
        """Start a transaction that will write, at once: what is read before a change must still be true then."""
        driver = _driver(connection)
        # SQLAlchemy's own bookkeeping: this driver opens no transaction by itself.
        connection.begin()
        # Whatever else may be wrong shows once more below, where it is counted and explained.
        with _patience(driver, SHORT_SECONDS), suppress(sqlite3.Error):
            driver.execute("BEGIN IMMEDIATE")
            return
        with self._places.lent():
            connection.exec_driver_sql("BEGIN IMMEDIATE")


def take_in_log(engine: Engine, seconds: float) -> bool:
    """Write SQLite's log into the database itself and empty it; false if somebody reads what is before it.

    A log that is damaged ends, for SQLite, where the damage begins: what was written after that would be undone.
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
