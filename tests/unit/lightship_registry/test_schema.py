from __future__ import annotations

import pytest
from sqlalchemy.exc import SQLAlchemyError

from unit.lightship_registry.world import World


def test_what_a_power_cut_must_not_undo_is_written_through(world: World) -> None:
    with world.engine.connect() as connection:
        modes = [connection.exec_driver_sql(f"PRAGMA {key}").scalar() for key in ("journal_mode", "synchronous")]
    assert modes == ["wal", 2]


def test_errors_do_not_show_values(world: World) -> None:
    with world.engine.connect() as connection, pytest.raises(SQLAlchemyError) as caught:
        connection.exec_driver_sql("INSERT INTO links (name) VALUES (?)", ("a-secret-value",))
    assert "a-secret-value" not in str(caught.value)
