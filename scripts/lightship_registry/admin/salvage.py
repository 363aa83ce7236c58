"""Copies the rows that can still be read from a damaged SQLite file."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from lightship_registry.core.db_errors import explain
from lightship_registry.core.errors import RegistryError
from lightship_registry.store.schema import links, nonces, ssh_keys

# A wider gap between row numbers is no damaged page, but a misread number.
WIDEST_GAP = 100_000
STEP = re.compile("[0-9]{4}")
Row = tuple[object, ...]


@dataclass(frozen=True)
class Salvaged:
    """How many links were read, and how many rows were lost."""

    links: int
    lost: int


def step_of(damaged: Path) -> str:
    """The step of the file's tables in the migrations; empty if it cannot be read any more."""
    try:
        with closing(sqlite3.connect(damaged)) as source:
            found = source.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.Error:
        return ""
    return found[0] if found and isinstance(found[0], str) and STEP.fullmatch(found[0]) else ""


def salvage(damaged: Path, fresh: Path) -> Salvaged:
    """Copy every row that can be read into the empty tables of another file. Reading may change `damaged`.

    Both must be at the same step of the migrations: a later step may have changed values, not only added columns.
    """
    try:
        with closing(sqlite3.connect(damaged)) as source, closing(sqlite3.connect(fresh)) as target:
            # Damaged text must not stop the reading of other rows.
            source.text_factory = lambda data: data.decode("utf-8", "replace")
            found = _copy(source, target, links.name)
            _copy(source, target, nonces.name)
            if _has(source, ssh_keys.name) and _has(target, ssh_keys.name):
                _copy(source, target, ssh_keys.name)
            target.commit()
    except sqlite3.Error as error:
        raise RegistryError(f"Nothing can be read any more: {explain(error)} Restore a backup.") from error
    return found


def _has(source: sqlite3.Connection, table: str) -> bool:
    # A store of an older version has fewer tables. If the list of tables is damaged, no links were read either.
    return bool(source.execute(f"PRAGMA table_info({table})").fetchall())


def _copy(source: sqlite3.Connection, target: sqlite3.Connection, table: str) -> Salvaged:
    columns = [f'"{row[1]}"' for row in target.execute(f"PRAGMA table_info({table})")]
    known = {f'"{row[1]}"' for row in source.execute(f"PRAGMA table_info({table})")}
    shared = [column for column in columns if column in known]
    if not shared:
        raise sqlite3.DatabaseError(f"the table {table} is gone")
    insert = f"INSERT OR IGNORE INTO {table} ({', '.join(shared)}) VALUES ({', '.join('?' * len(shared))})"  # noqa: S608
    rows = lost = 0
    for row in _rows(source, f"SELECT rowid, {', '.join(shared)} FROM {table} NOT INDEXED"):  # noqa: S608
        # A row that violates a constraint was misread, or was read twice.
        kept = row is not None and target.execute(insert, row[1:]).rowcount == 1
        rows, lost = rows + kept, lost + (not kept)
    return Salvaged(rows, lost)


def _rows(source: sqlite3.Connection, query: str) -> Iterator[Row | None]:
    """Yield the rows before the damage, those behind it from the end on, and those in between one by one."""
    front = back = None
    for row in _until_damage(source, f"{query} ORDER BY rowid"):
        front = row[0]
        yield row
    low = front if isinstance(front, int) else 0
    for row in _until_damage(source, f"{query} WHERE rowid > {low} ORDER BY rowid DESC"):
        back = row[0]
        yield row
    high = back if isinstance(back, int) else low + 1
    for number in range(low + 1, min(high, low + WIDEST_GAP)):
        yield next(_until_damage(source, f"{query} WHERE rowid = {number}"), None)


def _until_damage(source: sqlite3.Connection, query: str) -> Iterator[Row]:
    try:
        yield from source.execute(query)
    except sqlite3.DatabaseError:
        return
