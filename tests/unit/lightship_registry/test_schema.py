from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy.exc import SQLAlchemyError

from lightship_registry.errors import RegistryError
from lightship_registry.schema import create_tables, open_engine, require_tables
from unit.lightship_registry.world import World


def test_tables_are_made_once(tmp_path: Path) -> None:
    engine = open_engine(tmp_path / "x.sqlite3")
    with pytest.raises(RegistryError, match="prepare"):
        require_tables(engine)
    assert create_tables(engine)
    assert not create_tables(engine)
    require_tables(engine)
    engine.dispose()


def test_what_a_power_cut_must_not_undo_is_written_through(world: World) -> None:
    with world.engine.connect() as connection:
        modes = [connection.exec_driver_sql(f"PRAGMA {key}").scalar() for key in ("journal_mode", "synchronous")]
    assert modes == ["wal", 2]


def test_errors_do_not_show_values(world: World) -> None:
    with world.engine.connect() as connection, pytest.raises(SQLAlchemyError) as caught:
        connection.exec_driver_sql("INSERT INTO links (name) VALUES (?)", ("a-secret-value",))
    assert "a-secret-value" not in str(caught.value)
