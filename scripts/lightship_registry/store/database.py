"""The database: connections for reads, transactions for writes, and a count of failures."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from sqlalchemy import (
    BigInteger,
    Connection,
    Engine,
    ExceptionContext,
    Insert,
    Row,
    Update,
    event,
    func,
    literal,
    select,
)
from sqlalchemy.exc import IntegrityError
from sqlalchemy.sql.dml import ReturningUpdate

from lightship_registry.core.thread_slots import ThreadSlots
from lightship_registry.store.schema import BUSY_SECONDS, is_sqlite
from lightship_registry.store.sqlite_writing import Turns, take_in_log


class Database:
    """The database that all stores share, SQLite or PostgreSQL."""

    def __init__(self, engine: Engine) -> None:
        # By default only SQLite's driver reports how many rows an INSERT made.
        self.engine = engine.execution_options(preserve_rowcount=True)
        self.on_file = is_sqlite(engine.url)
        self.slots = ThreadSlots()
        self._turns = Turns(self.slots) if self.on_file else None
        # The number of failures: heartbeats may have been lost at each.
        self.failures = 0
        event.listen(engine, "handle_error", self._count_failure)

    def _count_failure(self, context: ExceptionContext) -> None:
        # A constraint that refuses a row is an answer, not a failure.
        if not isinstance(context.sqlalchemy_exception, IntegrityError):
            self.failures += 1

    def read(self) -> Connection:
        """Open a connection for reads."""
        return self.engine.connect()

    @contextmanager
    def write(self, *queue: str) -> Iterator[Connection]:
        """Begin a transaction; transactions with the same queue run one after the other."""
        with self._turn(), self.engine.connect() as connection:
            if self._turns:
                self._turns.begin(connection)
            elif queue:
                # In PostgreSQL a statement does not see what other transactions will commit: two of them could both
                # find room for one more. The lock ends with the transaction.
                connection.execute(select(func.pg_advisory_xact_lock(literal(_number_of(queue), BigInteger))))
            yield connection
            connection.commit()

    def _turn(self) -> AbstractContextManager[None]:
        return self._turns.turn() if self._turns else nullcontext()

    def settle(self, seconds: float = BUSY_SECONDS) -> bool:
        """Move changes from SQLite's log into its file, safe from damage of the log; false if readers prevent it."""
        with self._turn():
            return take_in_log(self.engine, seconds)

    def change(self, statement: Insert | Update, values: Mapping[str, object], *queue: str) -> bool:
        """Change one row; false if no row met the conditions."""
        with self.write(*queue) as connection:
            return connection.execute(statement, values).rowcount == 1

    def changed(self, statement: ReturningUpdate[Any], values: Mapping[str, object], *queue: str) -> Row[Any] | None:
        """Change one row and return it as it is then; None if no row met the conditions."""
        with self.write(*queue) as connection:
            return connection.execute(statement, values).one_or_none()


def _number_of(queue: tuple[str, ...]) -> int:
    # Two queues that get the same number by chance only wait for each other.
    return int.from_bytes(hashlib.sha256("\n".join(queue).encode()).digest()[:8], signed=True)
