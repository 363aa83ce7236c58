from __future__ import annotations

import errno
import os
import sqlite3
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from lightship_registry.core.db_errors import explain


@pytest.mark.parametrize(
    ("said", "meaning"),
    [
        ("database or disk is full", "Make room"),
        ("attempt to write a readonly database", "writable again"),
        ("database is locked", "lightship doctor"),
        ("database disk image is malformed", "When the disk or the store fails"),
        ("file is not a database", "When the disk or the store fails"),
    ],
)
def test_what_the_database_says_is_told_with_what_to_do(said: str, meaning: str) -> None:
    told = explain(OperationalError("SELECT 1", {}, sqlite3.OperationalError(said)))
    assert said in told
    assert meaning in told


def test_a_full_disk_is_named_where_sqlite_speaks_of_an_error_of_the_disk() -> None:
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorname = "SQLITE_IOERR_SHMSIZE"
    told = explain(OperationalError("SELECT 1", {}, error))
    assert "disk I/O error (SQLITE_IOERR_SHMSIZE). The disk is full. Make room" in told


def test_what_the_system_says_too() -> None:
    told = explain(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/run/lightship/routes/one-two-three"))
    assert "/run/lightship/routes/one-two-three" in told
    assert "Make room" in told


def test_the_rest_is_told_as_it_is() -> None:
    assert explain(ValueError("odd")) == "odd"


def test_the_runbook_is_where_the_sentences_say() -> None:
    guide = Path(__file__).parents[4] / "scripts" / "lightship_registry" / "README.md"
    assert "\n## When the disk or the store fails\n" in guide.read_text()
