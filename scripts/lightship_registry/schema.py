"""The tables, and how the database is opened."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import (
    Column,
    Engine,
    Float,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    create_engine,
    event,
    inspect,
    text,
)

from lightship_registry.errors import RegistryError

metadata = MetaData()

# Rows are never deleted: a name is given once for ever, and an administrator can see who had what and when.
links = Table(
    "links",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("cluster", String(32), nullable=False),
    Column("user", String(64), nullable=False),
    Column("secret_sha256", String(64), nullable=False),
    # Whoever has the notebook's token is shown what the owner may see, at the link's own address.
    Column("token_sha256", String(64), nullable=False, default=""),
    Column("title", String(100), nullable=False, default=""),
    # What starts it again, as the user typed it.
    Column("command", String(500), nullable=False, default=""),
    Column("job_id", String(64), nullable=False, default=""),
    # What the scheduler last said of the job, in plain words; a time of 0 is not known.
    Column("job_state", String(16), nullable=False, default=""),
    Column("job_reason", String(200), nullable=False, default=""),
    Column("job_start", Float, nullable=False, default=0.0),
    Column("job_seen_at", Float, nullable=False, default=0.0),
    Column("seconds", Integer, nullable=False),
    Column("state", String(8), nullable=False),
    # Why it ended: a word of records.Cause, a sentence, and the last lines that the job chose to send.
    Column("cause", String(16), nullable=False, default=""),
    Column("reason", String(200), nullable=False, default=""),
    Column("tail", String(4000), nullable=False, default=""),
    Column("created_at", Float, nullable=False),
    Column("ready_at", Float, nullable=False, default=0.0),
    Column("expires_at", Float, nullable=False),
    Column("certificate_sha256", String(64), nullable=False, default=""),
    Column("target", String(64), nullable=False, default=""),
    Column("lease_until", Float, nullable=False, default=0.0),
    Column("ended_at", Float, nullable=False, default=0.0),
    Index("links_of_owner", "cluster", "user", "state"),
    Index("links_by_end", "state", "expires_at"),
    Index("links_by_target", "target", "ended_at"),
    # The rule that matters most, kept by the database as well: one live link per target.
    Index(
        "one_live_link_per_target",
        "target",
        unique=True,
        sqlite_where=text("state = 'ready'"),
        postgresql_where=text("state = 'ready'"),
    ),
)

nonces = Table(
    "nonces",
    metadata,
    Column("cluster", String(32), primary_key=True),
    Column("nonce", String(32), primary_key=True),
    Column("seen_at", Float, nullable=False),
)


def open_engine(path: Path) -> Engine:
    """Open the database; parameters never show in an error, for some are hashes of secrets."""
    engine = create_engine(f"sqlite:///{path}", hide_parameters=True, pool_size=40, max_overflow=0)
    event.listen(engine, "connect", _set_up)
    return engine


def create_tables(engine: Engine) -> bool:
    """Make what is missing; true if anything was."""
    missing = set(metadata.tables) - set(inspect(engine).get_table_names())
    if missing:
        metadata.create_all(engine)
    return bool(missing)


def require_tables(engine: Engine) -> None:
    """Refuse to run on a database that was not prepared."""
    if set(metadata.tables) - set(inspect(engine).get_table_names()):
        raise RegistryError("The store is not prepared. Run: lightship-registry prepare --config <file>")


def _set_up(connection: Any, _record: Any) -> None:  # noqa: ANN401 - SQLAlchemy types both so
    # The driver must not open transactions of its own: the store says when one begins, and that it writes.
    connection.isolation_level = None
    connection.execute("PRAGMA busy_timeout = 5000")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA foreign_keys = ON")
    # FULL, not NORMAL: a power cut must not bring back an ended link or forget that a link was claimed.
    connection.execute("PRAGMA synchronous = FULL")
