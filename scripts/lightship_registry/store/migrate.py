"""Makes the tables, and upgrades them from one version of the program to the next; `migrations/` holds the steps."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, column, inspect, select, table, text

from lightship_registry.core.errors import RegistryError
from lightship_registry.core.settings import Settings
from lightship_registry.store.schema import begin_writing, is_sqlite, links, open_engine

SOURCE: Traversable = resources.files(__package__) / "migrations"
# Where Alembic keeps the step of the tables.
NOTED = table("alembic_version", column("version_num"))
# Any number, but the same on all hosts that may prepare one database at the same time.
LOCK = 7_244_583_901


def upgrade(settings: Settings, step: str = "") -> list[str]:
    """Upgrade the store to this program's version, or to an earlier step; one line if anything changed."""
    engine = open_engine(settings.store)
    try:
        with _steps() as config, engine.connect() as connection:
            _wait_for_others(connection)
            wanted, now = step or _head(config), _revision(connection)
            if now == wanted:
                return []
            for revision in (now, wanted):
                _require_known(config, revision)
            if not now:
                _require_no_tables(connection, settings)
            copy = _copy_of_store(settings, wanted) if now and is_sqlite(settings.store) else None
            config.attributes["connection"] = connection
            command.upgrade(config, wanted)
            connection.commit()
    finally:
        engine.dispose()
    return [_line(settings, now, wanted, copy)]


def require_current(settings: Settings) -> None:
    """Refuse to run on a store that is not at this program's version."""
    engine = open_engine(settings.store)
    try:
        with _steps() as config, engine.connect() as connection:
            head, now = _head(config), _revision(connection)
            _require_known(config, now)
    finally:
        engine.dispose()
    if not now:
        raise RegistryError("The store is not prepared. Run: lightship-registry prepare --config <file>")
    if now != head:
        raise RegistryError(
            f"The store is at step {now} and this program needs {head}. Run: lightship-registry prepare --config <file>"
        )


@contextmanager
def _steps() -> Iterator[Config]:
    # Alembic reads its steps from a folder, but the program is one file.
    with tempfile.TemporaryDirectory(prefix="lightship-") as folder:
        _unpack(SOURCE, Path(folder))
        config = Config()
        config.set_main_option("script_location", folder.replace("%", "%%"))
        yield config


def _unpack(source: Traversable, target: Path) -> None:
    target.mkdir(exist_ok=True)
    for item in source.iterdir():
        if item.is_dir():
            _unpack(item, target / item.name)
        elif item.name.endswith(".py"):
            (target / item.name).write_bytes(item.read_bytes())


def _head(config: Config) -> str:
    return ScriptDirectory.from_config(config).get_current_head() or ""


def _revision(connection: Connection) -> str:
    if not inspect(connection).has_table(NOTED.name):
        return ""
    return connection.execute(select(NOTED.c.version_num)).scalar() or ""


def _wait_for_others(connection: Connection) -> None:
    begin_writing(connection)
    if connection.dialect.name == "postgresql":
        # Another proxy's upgrade may take long, and so may a step that rewrites a large table.
        for limit in ("statement_timeout", "lock_timeout"):
            connection.execute(text(f"SET LOCAL {limit} = 0"))
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})


def _require_known(config: Config, revision: str) -> None:
    known = {step.revision for step in ScriptDirectory.from_config(config).walk_revisions()}
    if revision and revision not in known:
        raise RegistryError(
            f"The store is at step {revision}, which this program does not know: a newer version made it. Install that "
            "version again, or restore a copy of the store from before."
        )


def _require_no_tables(connection: Connection, settings: Settings) -> None:
    if inspect(connection).has_table(links.name):
        raise RegistryError(
            f"The tables in {_place(settings)} do not say which version made them: they are from before the first "
            "release. Move them away, and run prepare again."
        )


def _copy_of_store(settings: Settings, head: str) -> Path:
    """Copy the file. The caller's transaction prevents changes meanwhile."""
    store = settings.store_file
    copy = store.with_name(f"{store.name}.before-{head}")
    fresh = store.with_name(f".{copy.name}.{os.getpid()}")
    try:
        os.close(os.open(fresh, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600))
        with closing(sqlite3.connect(store)) as source, closing(sqlite3.connect(fresh)) as target:
            source.backup(target)
        fresh.replace(copy)
    except (OSError, sqlite3.Error) as error:
        fresh.unlink(missing_ok=True)
        raise RegistryError(f"The store could not be copied to {copy}, so it was not changed: {error}.") from error
    return copy


def _place(settings: Settings) -> str:
    if is_sqlite(settings.store):
        return str(settings.store_file)
    return f"the PostgreSQL database {settings.store.database}"


def _line(settings: Settings, before: str, head: str, copy: Path | None) -> str:
    if not before:
        return f"made {'' if is_sqlite(settings.store) else 'the tables in '}{_place(settings)}"
    kept = f"; as it was, it is kept in {copy}" if copy else ""
    return f"took {_place(settings)} from step {before} to {head}{kept}"
