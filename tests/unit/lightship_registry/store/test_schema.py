from __future__ import annotations

import traceback
from pathlib import Path

import pytest
from sqlalchemy import insert
from sqlalchemy.exc import SQLAlchemyError

from lightship_registry.store.schema import links, open_engine
from unit.lightship_registry.postgres import Cluster
from unit.lightship_registry.testbed import Testbed, both_databases, make_settings


def test_what_a_power_cut_must_not_undo_is_written_through(testbed: Testbed) -> None:
    with testbed.engine.connect() as connection:
        modes = [connection.exec_driver_sql(f"PRAGMA {key}").scalar() for key in ("journal_mode", "synchronous")]
    assert modes == ["wal", 2]


def test_what_was_opened_on_a_read_only_disk_is_opened_again(testbed: Testbed) -> None:
    with testbed.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA query_only = ON")  # as if
    assert (testbed.agent("POST", "/v1/links", {"user": "alice", "seconds": 60, "title": ""}).status_code) == 500
    testbed.create()


@both_databases
def test_errors_do_not_show_values(testbed: Testbed) -> None:
    value = "-".join(["a", "secret", "value"])
    with testbed.engine.connect() as connection, pytest.raises(SQLAlchemyError) as caught:
        connection.execute(insert(links).values(name=value))
    assert "cluster" in str(caught.value)
    assert value not in str(caught.value)
    assert value not in "".join(traceback.format_exception(caught.value))


def test_errors_do_not_show_the_password(cluster: Cluster, tmp_path: Path) -> None:
    url = cluster.fresh().replace("/lightship?", "/no-such-database?")
    assert ":not-asked-for@" in url
    settings = make_settings(tmp_path, store_url=url)
    engine = open_engine(settings.store)
    with pytest.raises(SQLAlchemyError, match="no-such-database") as caught:
        engine.connect()
    told = [str(caught.value), "".join(traceback.format_exception(caught.value)), repr(settings), repr(engine)]
    assert not [text for text in told if "not-asked-for" in text]


@pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)
def test_a_site_may_set_its_own_time_limits(store_url: str, tmp_path: Path) -> None:
    found = []
    for url in (store_url, f"{store_url}&options=-c%20statement_timeout%3D3s"):
        engine = open_engine(make_settings(tmp_path, store_url=url).store)
        with engine.connect() as connection:
            found.append(connection.exec_driver_sql("SHOW statement_timeout").scalar())
        engine.dispose()
    assert found == ["10s", "3s"]
