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

# Rows are never deleted: a name is given only once, and administrators can see who had which link when.
links = Table(
    "links",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("cluster", String(32), nullable=False),
    Column("user", String(64), nullable=False),
    Column("secret_sha256", String(64), nullable=False),
    # Whoever has the notebook's token may see the owner's pages at the link's address.
    Column("token_sha256", String(64), nullable=False, default=""),
    Column("title", String(100), nullable=False, default=""),
    # The command that starts it again, as the user typed it.
    Column("command", String(500), nullable=False, default=""),
    Column("job_id", String(64), nullable=False, default=""),
    # The last report of the scheduler, in plain words; 0 is an unknown time.
    Column("job_state", String(16), nullable=False, default=""),
    Column("job_reason", String(200), nullable=False, default=""),
    Column("job_start", Float, nullable=False, default=0.0),
    Column("job_seen_at", Float, nullable=False, default=0.0),
    Column("seconds", Integer, nullable=False),
    Column("state", String(8), nullable=False),
    # Why it ended: a word of records.Cause, a sentence, and the last lines of the log if the job sent them.
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
    # The name of the interface that made it, see core/interfaces.py. The other interface cannot see it.
    Column("api", String(16), nullable=False, server_default="v1"),
    # Where a client of Satellite's announced its notebook. It becomes the target when the notebook answers there.
    Column("announced", String(64), nullable=False, server_default=""),
    # The mark of the program to which the link is bound; see satellite/listener.py.
    Column("program_mark", String(64), nullable=False, server_default=""),
    # What the link leads to, a word of the protocol; and where the job says that it runs.
    Column("subject", String(8), nullable=False, server_default=""),
    Column("node", String(64), nullable=False, server_default=""),
    Column("partition", String(64), nullable=False, server_default=""),
    Column("folder", String(500), nullable=False, server_default=""),
    # Who reported the end: a word of records.py, or nothing for everyone else.
    Column("told_by", String(16), nullable=False, server_default=""),
    Index("links_of_owner", "cluster", "user", "state"),
    Index("links_by_creation", "cluster", "user", "created_at"),
    Index("links_by_end", "state", "expires_at"),
    Index("links_by_target", "target", "ended_at"),
    Index("links_by_teller", "told_by", "ended_at"),
    # The database itself enforces the most important rule: one live link per target.
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


# Requests that use the database at a time; each connection also costs descriptors and a cache. SQLite has one writer at
# a time, and Python runs one thread: with 3 the slowest of a hundred requests took half as long as with 10, and a
# quarter as long as with 40. A database server is waited for longer, because of the network.
AT_ONCE_ON_FILE, AT_ONCE_ON_SERVER, SPARE = 3, 10, 11

# How long a statement waits for another program that has locked SQLite's file.
BUSY_SECONDS = 5.0
# No thread may wait for a database for ever. The same options in the site's URL take precedence.
CONNECTION = {
    "connect_timeout": "5",
    "tcp_user_timeout": "10000",
    "options": "-c statement_timeout=10s -c lock_timeout=5s -c idle_in_transaction_session_timeout=30s",
}


def open_engine(store: URL) -> Engine:
    """Open the database. Errors show no values, because some are hashes of secrets."""
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
        # After a restart of the database every pooled connection is dead: no request may fail for that.
        pool_pre_ping=True,
        # After it waited for a lock, the store must see what the lock's last holder committed.
        isolation_level="READ COMMITTED",
        connect_args={key: value for key, value in CONNECTION.items() if key not in store.query},
    )
    event.listen(engine, "handle_error", _hide_rows)
    return engine


def is_sqlite(store: URL) -> bool:
    """Whether the database is SQLite; otherwise it is PostgreSQL."""
    return store.get_backend_name() == "sqlite"


def at_once(store: URL) -> int:
    """The number of requests that may use the database at a time."""
    return AT_ONCE_ON_FILE if is_sqlite(store) else AT_ONCE_ON_SERVER


def begin_writing(connection: Connection) -> None:
    """Begin a transaction that will write."""
    if connection.dialect.name == "sqlite":
        # Lock at once, not at the first change: what is read before the change must still be true then.
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def _open_again(context: ExceptionContext) -> None:
    # A connection that was opened on a read-only disk stays read-only after the disk is writable again.
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
    # The driver must not begin transactions by itself: the store begins them, and says which ones write.
    connection.isolation_level = None
    connection.execute(f"PRAGMA busy_timeout = {int(BUSY_SECONDS * 1000)}")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA foreign_keys = ON")
    # FULL, not NORMAL: a power cut must not revive an ended link or undo a claim.
    connection.execute("PRAGMA synchronous = FULL")
