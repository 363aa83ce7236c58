from __future__ import annotations

import functools
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import build_zipapps
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, insert, select

from lightship_registry.core.errors import RegistryError
from lightship_registry.core.settings import Settings
from lightship_registry.prepare import prepare
from lightship_registry.store import migrate
from lightship_registry.store.migrate import require_current, upgrade
from lightship_registry.store.schema import links, metadata, open_engine
from unit.lightship_registry.postgres import Cluster
from unit.lightship_registry.testbed import Hands, Testbed, both_databases, make_settings

# The step that this program is at, and the one that comes next.
NOW = max(path.name[:4] for path in (Path(migrate.__file__).parent / "migrations" / "versions").glob("*.py"))
NEXT = f"{int(NOW) + 1:04}"
SECOND = f"""
import sqlalchemy as sa
from alembic import op

revision = "{NEXT}"
down_revision = "{NOW}"

def upgrade():
    op.add_column("links", sa.Column("colour", sa.String(10), nullable=False, server_default="red"))
"""


@pytest.fixture
def settings(tmp_path: Path, store_url: str) -> Settings:
    settings = make_settings(tmp_path, store_url=store_url)
    prepare(settings, Hands())
    return settings


@pytest.fixture
def engine(settings: Settings) -> Iterator[Engine]:
    engine = open_engine(settings.store)
    yield engine
    engine.dispose()


@pytest.fixture
def steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of steps, to add more to."""
    shutil.copytree(Path(migrate.__file__).parent / "migrations", tmp_path / "migrations")
    monkeypatch.setattr(migrate, "SOURCE", tmp_path / "migrations")
    return tmp_path / "migrations" / "versions"


def tables_of(engine: Engine) -> set[str]:
    """Everything in the database, as the database itself describes it."""
    if engine.dialect.name == "sqlite":
        # Its text of a table tells whether a column was there from the start: what the columns are is asked instead.
        queries = [
            "SELECT sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL",
            "SELECT m.name || ' ' || c.cid || ' ' || c.name || ' ' || c.type || ' ' || c.\"notnull\" || ' ' ||"
            " coalesce(c.dflt_value, '-') || ' ' || c.pk FROM sqlite_master m JOIN pragma_table_info(m.name) c"
            " WHERE m.type = 'table'",
        ]
    else:
        queries = [
            "SELECT concat_ws(' ', table_name, column_name, data_type, character_maximum_length, is_nullable,"
            " column_default) FROM information_schema.columns WHERE table_schema = current_schema",
            "SELECT replace(indexdef, current_schema || '.', '') FROM pg_indexes WHERE schemaname = current_schema",
        ]
    with engine.connect() as connection:
        found = {" ".join(row.split()) for query in queries for row in connection.exec_driver_sql(query).scalars()}
    tables = {line for line in found if "alembic_version" not in line}
    assert any("one_live_link_per_target" in line for line in tables)
    return tables


@both_databases
def test_the_steps_lead_to_the_tables_that_the_program_uses(engine: Engine) -> None:
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_not_even_an_index_is_different_on_sqlite(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "direct").mkdir()
    assert tables_of(engine) == tables_made_directly(make_settings(tmp_path / "direct", store_url=""))


@pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)
def test_not_even_an_index_is_different_on_postgresql(engine: Engine, tmp_path: Path, cluster: Cluster) -> None:
    assert tables_of(engine) == tables_made_directly(make_settings(tmp_path, store_url=cluster.fresh()))


def tables_made_directly(settings: Settings) -> set[str]:
    settings.folders.state_dir.mkdir(exist_ok=True)
    engine = open_engine(settings.store)
    metadata.create_all(engine)
    try:
        return tables_of(engine)
    finally:
        engine.dispose()


@both_databases
def test_an_older_store_is_refused_until_it_is_prepared(settings: Settings, engine: Engine, steps: Path) -> None:
    require_current(settings)
    (steps / f"{NEXT}_colour.py").write_text(SECOND)
    with pytest.raises(RegistryError, match=rf"at step {NOW} .* needs {NEXT}\. Run: lightship-registry prepare"):
        require_current(settings)
    (line,) = prepare(settings, Hands())
    assert line.startswith("changed: took ")
    assert f"from step {NOW} to {NEXT}" in line
    assert any("colour" in text for text in tables_of(engine))
    require_current(settings)
    assert prepare(settings, Hands()) == []


@both_databases
def test_a_store_of_a_newer_program_is_left_alone(settings: Settings, engine: Engine) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    for refuse in (upgrade, require_current):
        with pytest.raises(RegistryError, match="step 9999, which this program does not know: a newer version"):
            refuse(settings)


@both_databases
def test_links_of_satellites_clients_are_called_so_and_no_others(settings: Settings, engine: Engine) -> None:
    made = {
        "cluster": "demo",
        "secret_sha256": "",
        "seconds": 60,
        "state": "ready",
        "created_at": 0.0,
        "expires_at": 9.0,
    }
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0006'")
        for name, user, api in (("a-b-c", "ancestor:10.1.0.1", "ancestor"), ("d-e-f", "ancestor:me", "v1")):
            target = f"10.1.0.2:{len(user)}"
            connection.execute(insert(links).values(name=name, user=user, api=api, target=target, **made))
    prepare(settings, Hands())
    with engine.connect() as connection:
        rows = connection.execute(select(links.c.name, links.c.user, links.c.api).order_by(links.c.name)).all()
    assert rows == [("a-b-c", "satellite:10.1.0.1", "satellite"), ("d-e-f", "ancestor:me", "v1")]


@both_databases
def test_a_step_that_fails_changes_nothing(settings: Settings, engine: Engine, steps: Path) -> None:
    before = tables_of(engine)
    (steps / f"{NEXT}_colour.py").write_text(SECOND + "    raise ZeroDivisionError\n")
    with pytest.raises(ZeroDivisionError):
        upgrade(settings)
    assert tables_of(engine) == before
    (steps / f"{NEXT}_colour.py").write_text(SECOND)
    assert upgrade(settings)


@both_databases
def test_tables_from_before_the_first_release_are_not_touched(settings: Settings, engine: Engine) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE alembic_version")
    with pytest.raises(RegistryError, match="before the first release"):
        upgrade(settings)


def test_the_file_is_copied_before_it_is_changed(testbed: Testbed, steps: Path) -> None:
    made = testbed.create()
    (steps / f"{NEXT}_colour.py").write_text(SECOND)
    (line,) = upgrade(testbed.settings)
    copy = testbed.settings.store_file.with_name(f"registry.sqlite3.before-{NEXT}")
    assert line.endswith(f"it is kept in {copy}")
    assert copy.stat().st_mode & 0o777 == 0o600
    with closing(sqlite3.connect(copy)) as connection:
        rows = connection.execute("SELECT name, state, version_num FROM links, alembic_version").fetchall()
        assert rows == [(made["name"], "waiting", NOW)]
        assert not [column for column in connection.execute("PRAGMA table_info(links)") if column[1] == "colour"]
    left = {path.name for path in testbed.settings.folders.state_dir.iterdir() if path.is_file()}
    assert {name for name in left if "before" in name} == {copy.name}
    testbed.create()


def test_without_a_copy_nothing_is_changed(testbed: Testbed, steps: Path) -> None:
    (steps / f"{NEXT}_colour.py").write_text(SECOND)
    testbed.settings.store_file.with_name(f"registry.sqlite3.before-{NEXT}").mkdir()
    before = tables_of(testbed.engine)
    with pytest.raises(RegistryError, match="could not be copied"):
        upgrade(testbed.settings)
    assert tables_of(testbed.engine) == before


def test_the_single_file_has_its_steps_with_it(tmp_path: Path) -> None:
    program = tmp_path / "lightship-registry.pyz"
    (app,) = [app for app in build_zipapps.APPS if app.name == program.name]
    program.write_bytes(build_zipapps.content(app))
    config = tmp_path / "registry.toml"
    folders = "".join(f'{name}_dir = "{tmp_path / name}"\n' for name in ("state", "routes", "clusters"))
    config.write_text(f'domain = "notebooks.test"\n{folders}[clusters.demo]\nnetworks = ["10.0.0.0/8"]\n')
    command = [sys.executable, "-P", str(program), "prepare", "--config", str(config)]
    run = functools.partial(subprocess.run, command, check=False, capture_output=True, text=True, timeout=60)
    first, second = run(), run()
    assert (first.returncode, first.stderr) == (0, "")
    assert f"changed: made {tmp_path}/state/registry.sqlite3\n" in first.stdout
    assert (second.returncode, second.stdout, second.stderr) == (0, "", "")
