"""The tables, and how the database is opened."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    URL,
    Column,
    Connection,
    Engine,
    ExceptionContext,
    Float,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    create_engine,
    event,
    text,
)

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
    # Which interface made it, a word of records.py: the other one cannot see it.
    Column("api", String(16), nullable=False, server_default="v1"),
    # Where a client of Satellite's said that its notebook will listen; no target before it answers there.
    Column("announced", String(64), nullable=False, server_default=""),
    # What the program there showed of itself when the link was bound to it; see satellite/listener.py.
    Column("program_mark", String(64), nullable=False, server_default=""),
    # A word of records.py: what the link leads to. And where its job says that it runs.
    Column("subject", String(8), nullable=False, server_default=""),
    Column("node", String(64), nullable=False, server_default=""),
    Column("partition", String(64), nullable=False, server_default=""),
    Column("folder", String(500), nullable=False, server_default=""),
    # Who told how it ended: a word of records.py, or nothing for all others.
    Column("told_by", String(16), nullable=False, server_default=""),
    Index("links_of_owner", "cluster", "user", "state"),
    Index("links_by_creation", "cluster", "user", "created_at"),
    Index("links_by_end", "state", "expires_at"),
    Index("links_by_target", "target", "ended_at"),
    Index("links_by_teller", "told_by", "ended_at"),
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

# The keys with which a user's own machines may open tunnels to this host; see tunnels/tunnels.py.
ssh_keys = Table(
    "ssh_keys",
    metadata,
    Column("cluster", String(32), primary_key=True),
    Column("user", String(64), primary_key=True),
    Column("fingerprint", String(64), primary_key=True),
    # Its type and its base64, as in an authorized_keys file, without the comment.
    Column("key", String(4096), nullable=False),
    Column("comment", String(100), nullable=False, default=""),
    Column("added_at", Float, nullable=False),
)


# Requests that use the database at a time; each connection costs descriptors and a cache as well. SQLite lets one write
# at a time, and Python runs one thread: with 3 the slowest of a hundred requests took half as long as with 10, and a
# quarter of what they took with 40. What waits for a server waits longer, and for the network.
AT_ONCE_ON_FILE, AT_ONCE_ON_SERVER, SPARE = 3, 10, 11

# How long anything waits for another program that has locked SQLite's file.
BUSY_SECONDS = 5.0
# A thread that waits for a database must not wait for ever. What the site's URL says of these goes first.
CONNECTION = {
    "connect_timeout": "5",
    "tcp_user_timeout": "10000",
    "options": "-c statement_timeout=10s -c lock_timeout=5s -c idle_in_transaction_session_timeout=30s",
}


def open_engine(store: URL) -> Engine:
    """Open the database; no value shows in an error, for some are hashes of secrets."""
    if is_sqlite(store):
        engine = create_engine(store, hide_parameters=True, pool_size=at_once(store), max_overflow=SPARE)
        event.listen(engine, "connect", _set_up)
        event.listen(engine, "handle_error", _open_again)
        return engine
    engine = create_engine(
        store,
        hide_parameters=True,
        # Several proxies share the database's connections, of which there are 100 by default.
        pool_size=at_once(store),
        max_overflow=0,
        pool_timeout=10,
        # After a restart of the database each kept connection is dead: that must cost no request.
        pool_pre_ping=True,
        # The store relies on seeing, after it waited for a lock, what the lock's last holder did.
        isolation_level="READ COMMITTED",
        connect_args={key: value for key, value in CONNECTION.items() if key not in store.query},
    )
    event.listen(engine, "handle_error", _hide_rows)
    return engine


def is_sqlite(store: URL) -> bool:
    """Or else PostgreSQL."""
    return store.get_backend_name() == "sqlite"


def at_once(store: URL) -> int:
    """How many requests may use the database at a time."""
    return AT_ONCE_ON_FILE if is_sqlite(store) else AT_ONCE_ON_SERVER


def begin_writing(connection: Connection) -> None:
    """Start a transaction that will write."""
    if connection.dialect.name == "sqlite":
        # At once, not at the first change: what is read before it must still be true then.
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def _open_again(context: ExceptionContext) -> None:
    # What was opened on a disk that was read-only stays so when the disk is writable again.
    if "readonly database" in str(context.original_exception):
        context.is_disconnect = True


def _hide_rows(context: ExceptionContext) -> None:
    # PostgreSQL quotes whole rows in the details of an error. Only its first line is kept.
    driver, ours = context.original_exception, context.sqlalchemy_exception
    first_line = getattr(getattr(driver, "diag", None), "message_primary", None)
    if ours is not None and first_line:
        driver.args = (first_line,)
        ours.args = (f"({type(driver).__name__}) {first_line}",)


def _set_up(connection: Any, _record: Any) -> None:  # noqa: ANN401 - SQLAlchemy types both so
    # The driver must not open transactions of its own: the store says when one begins, and that it writes.
    connection.isolation_level = None
    connection.execute(f"PRAGMA busy_timeout = {int(BUSY_SECONDS * 1000)}")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA foreign_keys = ON")
    # FULL, not NORMAL: a power cut must not bring back an ended link or forget that a link was claimed.
    connection.execute("PRAGMA synchronous = FULL")
