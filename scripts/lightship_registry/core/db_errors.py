"""Explains errors of the database and the disk to administrators."""

from __future__ import annotations

import errno

RUNBOOK = 'The README of scripts/lightship_registry says how, under "When the disk or the store fails".'
FULL = "The disk is full. Make room: the service goes on by itself."
# Parts of SQLite's and PostgreSQL's messages, and what to do. The first match counts.
MEANINGS = (
    ("database or disk is full", FULL),
    ("No space left on device", FULL),
    # The file that all programs with an open store share could not be made.
    ("SQLITE_IOERR_SHMSIZE", FULL),
    ("readonly database", "The disk is read-only, or the file is no longer the service's own. Make it writable again."),
    ("unable to open database file", "The disk is read-only, or not there: look at mount and dmesg."),
    ("database is locked", "Another program keeps the store locked. `lightship doctor` names it; end it."),
    ("malformed", f"The store is damaged. {RUNBOOK}"),
    ("not a database", f"The store is damaged. {RUNBOOK}"),
    ("disk I/O error", f"The disk fails, or is full: look at dmesg. {RUNBOOK}"),
    ("remaining connection slots", "The database has no connection left. Raise its max_connections."),
    ("Connection refused", "The database server does not run, or is not where store_url says."),
    ("timeout expired", "The database server does not answer. Is it up, and the way to it open?"),
)
SYSTEMS = {
    errno.ENOSPC: FULL,
    errno.EDQUOT: "The disk's quota is used up. Make room: the service goes on by itself.",
    errno.EROFS: "The disk is read-only. Look at dmesg, and mount it again.",
    errno.EMFILE: "The service has too many files open. Restart it, and report it.",
}


def explain(error: Exception) -> str:
    """The error as the database's driver words it, and what it means if that is known."""
    cause = getattr(error, "orig", None) or error
    # SQLite has one message for many kinds of disk errors, but a name for each (in Python 3.11 and newer).
    kind = getattr(cause, "sqlite_errorname", "")
    said = " ".join(str(cause).split()) + (f" ({kind})" if kind.startswith("SQLITE_IOERR") else "")
    known = SYSTEMS.get(error.errno or 0) if isinstance(error, OSError) else None
    meaning = known or next((meaning for words, meaning in MEANINGS if words in said), "")
    return f"{said}. {meaning}".replace("..", ".").strip() if meaning else said
