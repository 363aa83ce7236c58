"""The database: who reads and writes when, and how often it failed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext

from sqlalchemy import BigInteger, Connection, Engine, ExceptionContext, Insert, Update, event, func, literal, select
from sqlalchemy.exc import IntegrityError

from lightship_registry.core.places import Places
from lightship_registry.store.schema import BUSY_SECONDS, is_sqlite
from lightship_registry.store.sqlite_writing import Turns, take_in_log


class Database:
    """The database that all stores share, SQLite or PostgreSQL."""

    def __init__(self, engine: Engine) -> None:
        # By default only SQLite's driver tells how many rows an INSERT made.
        self.engine = engine.execution_options(preserve_rowcount=True)
        self.on_file = is_sqlite(engine.url)
        self.places = Places()
        self._turns = Turns(self.places) if self.on_file else None
        # How often the database failed to do what it was asked: meanwhile heartbeats may have been lost.
        self.failures = 0
        event.listen(engine, "handle_error", self._count_failure)

    def _count_failure(self, context: ExceptionContext) -> None:
        # What a constraint refuses is an answer, not a failure.
        if not isinstance(context.sqlalchemy_exception, IntegrityError):
            self.failures += 1

    def read(self) -> Connection:
        """A connection for questions."""
        return self.engine.connect()

    @contextmanager
    def write(self, *queue: str) -> Iterator[Connection]:
        """A transaction; those with the same queue come one after the other."""
        with self._turn(), self.engine.connect() as connection:
            if self._turns:
                self._turns.begin(connection)
            elif queue:
                # PostgreSQL does not show a statement what others are about to commit: two of them could both find
                # room for one more. The lock goes with the transaction.
                connection.execute(select(func.pg_advisory_xact_lock(literal(_number_of(queue), BigInteger))))
            yield connection
            connection.commit()

    def _turn(self) -> AbstractContextManager[None]:
        return self._turns.turn() if self._turns else nullcontext()

    def settle(self, seconds: float = BUSY_SECONDS) -> bool:
        """Take what was written out of reach of damage in the log; false if others were in the way."""
        with self._turn():
            return take_in_log(self.engine, seconds)

    def change(self, statement: Insert | Update, values: Mapping[str, object], *queue: str) -> bool:
        """Make one change; false if there was nothing to change."""
        with self.write(*queue) as connection:
            return connection.execute(statement, values).rowcount == 1


def _number_of(queue: tuple[str, ...]) -> int:
    # Two that share a number by chance only wait for each other.
    return int.from_bytes(hashlib.sha256("\n".join(queue).encode()).digest()[:8], signed=True)
