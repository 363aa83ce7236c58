"""Damage is made in the file itself, page by page."""

from __future__ import annotations

import json
import os
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lightship_registry.admin.status import ExitStatus
from lightship_registry.core.records import LinkRequest, Owner
from lightship_registry.core.ssh_keys import parse
from lightship_registry.links import names
from lightship_registry.store import migrate
from lightship_registry.store.migrate import upgrade
from unit.lightship_registry.admin.conftest import Desk
from unit.lightship_registry.keys import new_key

PAGE = 4096
USERS = 300
SATELLITES = Owner("demo", "satellite:10.1.0.1")
# The step that this program is at.
NOW = max(path.name[:4] for path in (Path(migrate.__file__).parent / "migrations" / "versions").glob("*.py"))


@pytest.fixture
def crowded(desk: Desk) -> dict[str, Any]:
    """Return one link that is ready, among so many that the tables fill many pages."""
    made = desk.published()
    for number in range(USERS):
        desk.testbed.links.create(Owner("demo", f"user{number}"), LinkRequest(3600))
    desk.testbed.engine.dispose()
    with closing(sqlite3.connect(desk.testbed.settings.store_file)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return made


def pages_of(store: Path, kind: str, name: str) -> list[int]:
    """Return the leaf pages of a table or an index, by walking down from its root."""
    with closing(sqlite3.connect(store)) as database:
        (root,) = database.execute("SELECT rootpage FROM sqlite_master WHERE type = ? AND name = ?", [kind, name])
    data = store.read_bytes()
    found, waiting = [], [root[0]]
    while waiting:
        number = waiting.pop()
        start = (number - 1) * PAGE
        if data[start] in (10, 13):
            found.append(number)
            continue
        cells = int.from_bytes(data[start + 3 : start + 5])
        pointers = [int.from_bytes(data[start + 12 + 2 * cell :][:2]) for cell in range(cells)]
        children = [start + 8, *(start + pointer for pointer in pointers)]
        waiting += [int.from_bytes(data[child : child + 4]) for child in children]
    return sorted(found)


def destroy(store: Path, *pages: int) -> None:
    with store.open("r+b") as file:
        for page in pages:
            file.seek((page - 1) * PAGE)
            file.write(os.urandom(PAGE))


def change(desk: Desk, statement: str) -> None:
    """Change the store in the file itself, not in its log."""
    desk.testbed.engine.dispose()
    with closing(sqlite3.connect(desk.testbed.settings.store_file)) as database:
        database.execute(statement)
        database.commit()
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def listed(desk: Desk) -> dict[str, str]:
    assert desk.run("links", "--all", "--limit", "500", "--json") == ExitStatus.OK, desk.err
    return {link["name"]: link["state"] for link in json.loads(desk.out)}


def test_a_damaged_index_loses_nothing(desk: Desk, crowded: dict[str, Any]) -> None:
    store = desk.testbed.settings.store_file
    before, routes = listed(desk), desk.testbed.routes
    destroy(store, pages_of(store, "index", "sqlite_autoindex_links_1")[1])
    assert desk.run("repair") == ExitStatus.OK, desk.err
    assert f"{USERS + 1} links were read" in desk.out
    assert "could not be read" not in desk.out
    assert listed(desk) == before
    assert before[crowded["name"]] == "ready"
    assert desk.testbed.routes == routes
    (kept,) = desk.testbed.settings.folders.state_dir.glob("before-repair-*")
    assert (kept / store.name).exists()
    assert len(names.read_series(desk.testbed.settings.folders.state_dir)) == 2, "no name is given again"


def test_only_what_is_on_a_damaged_page_is_lost(desk: Desk, crowded: dict[str, Any]) -> None:
    store = desk.testbed.settings.store_file
    before = listed(desk)
    leaves = pages_of(store, "table", "links")
    destroy(store, leaves[len(leaves) // 2])
    assert desk.run("repair") == ExitStatus.OK, desk.err
    told = desk.out
    after = listed(desk)
    lost = len(before) - len(after)
    assert 0 < lost < USERS / 5
    assert f"{lost} rows could not be read" in told
    assert after.items() <= before.items()
    assert after[crowded["name"]] == "ready"


def test_what_is_only_in_the_log_is_read_too(desk: Desk) -> None:
    desk.published()
    desk.testbed.create("bob")
    store = desk.testbed.settings.store_file
    assert store.with_name("registry.sqlite3-wal").stat().st_size > 0
    assert desk.run("repair") == ExitStatus.OK, desk.err
    assert sorted(listed(desk).values()) == ["ready", "waiting"]


def test_users_ssh_keys_are_kept(desk: Desk, crowded: dict[str, Any], tmp_path: Path) -> None:
    key = parse(new_key(tmp_path))
    desk.testbed.tunnels.add(Owner("demo", "alice"), key)
    desk.testbed.engine.dispose()
    store = desk.testbed.settings.store_file
    destroy(store, pages_of(store, "index", "sqlite_autoindex_links_1")[1])
    assert desk.run("repair") == ExitStatus.OK, desk.err
    assert listed(desk)[crowded["name"]] == "ready"
    assert [kept.key for kept in desk.testbed.tunnels.kept()] == [key.text]


def test_rows_of_an_older_version_take_the_migrations_that_change_values(desk: Desk) -> None:
    ours, (theirs, _) = desk.published(), desk.testbed.parts.satellite_links.create(SATELLITES, LinkRequest(3600))
    change(desk, "UPDATE alembic_version SET version_num = '0006'")
    change(desk, "UPDATE links SET api = 'ancestor', user = 'ancestor:10.1.0.1' WHERE api = 'satellite'")
    store = desk.testbed.settings.store_file
    destroy(store, *pages_of(store, "index", "sqlite_autoindex_links_1"))
    assert desk.run("repair") == ExitStatus.OK, desk.err
    assert "2 links were read" in desk.out
    assert "which version" not in desk.out
    with closing(sqlite3.connect(store)) as database:
        rows = database.execute("SELECT name, api, user FROM links").fetchall()
        steps = database.execute("SELECT version_num FROM alembic_version").fetchall()
    assert set(rows) == {(ours["name"], "v1", "alice"), (theirs.name, "satellite", "satellite:10.1.0.1")}
    assert steps == [(NOW,)]


def test_tables_of_an_older_version_get_what_they_lack(desk: Desk, tmp_path: Path) -> None:
    settings, made = desk.testbed.settings, desk.published()
    older = replace(settings, folders=replace(settings.folders, state_dir=tmp_path / "older"))
    older.folders.state_dir.mkdir()
    upgrade(older, "0002")
    with closing(sqlite3.connect(older.store_file)) as database:
        columns = ", ".join(f'"{row[1]}"' for row in database.execute("PRAGMA table_info(links)"))
        database.execute("ATTACH ? AS new", [str(settings.store_file)])
        database.execute(f"INSERT INTO links ({columns}) SELECT {columns} FROM new.links")  # noqa: S608
        database.commit()
    desk.testbed.engine.dispose()
    older.store_file.replace(settings.store_file)
    assert desk.run("repair") == ExitStatus.OK, desk.err
    assert listed(desk) == {made["name"]: "ready"}


def test_a_store_that_lost_its_version_is_taken_for_this_versions(desk: Desk) -> None:
    made = desk.published()
    change(desk, "DELETE FROM alembic_version")
    assert desk.run("repair") == ExitStatus.OK, desk.err
    assert "does not say any more which version made it" in desk.out
    assert listed(desk) == {made["name"]: "ready"}


def test_a_store_of_a_newer_version_is_not_repaired(desk: Desk) -> None:
    made = desk.published()
    change(desk, "UPDATE alembic_version SET version_num = '9999'")
    assert desk.run("repair") == ExitStatus.FAILED
    assert "step 9999, which this program does not know" in desk.err
    assert made["name"] in desk.testbed.routes


def test_where_nothing_can_be_read_nothing_changes(desk: Desk, crowded: dict[str, Any]) -> None:
    store = desk.testbed.settings.store_file
    destroy(store, 1)
    before = store.read_bytes()
    assert desk.run("repair") == ExitStatus.FAILED
    assert "Restore a backup" in desk.err
    assert store.read_bytes() == before
    assert crowded["name"] in desk.testbed.routes
    assert [path.name for path in desk.testbed.settings.folders.state_dir.iterdir() if "repair" in path.name] == []
