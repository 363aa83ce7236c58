"""What must be put right in a store of yesterday before it may speak for today."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from lightship_protocol.states import ENDED, READY, STARTING
from lightship_registry.core.errors import RegistryError
from lightship_registry.core.interfaces import SATELLITE
from lightship_registry.core.records import Cause
from lightship_registry.links.reconciler import SILENCE_SECONDS

RESTORED = "The service was restored from a backup. Start a new notebook."
# A notebook that outlived the outage says so within this time; then the sweeper ends the links that are silent.
GRACE_SECONDS = 600.0

TAKE_ENDINGS = (
    "UPDATE links SET state = h.state, cause = h.cause, reason = h.reason, tail = h.tail, ended_at = h.ended_at"
    " FROM here.links AS h WHERE h.name = links.name AND h.state = ? AND links.state != ?"
)
TAKE_LIVES = (
    "UPDATE links SET state = h.state, job_id = h.job_id, certificate_sha256 = h.certificate_sha256,"
    " target = h.target, announced = h.announced, lease_until = h.lease_until, ready_at = h.ready_at,"
    " expires_at = h.expires_at"
    " FROM here.links AS h WHERE h.name = links.name AND h.state != ? AND links.state != ?"
)
# What opens tunnels now is what its owners say now: a key that was taken back since stays so.
TAKE_KEYS = (
    "DELETE FROM ssh_keys",
    "INSERT INTO ssh_keys (cluster, user, fingerprint, key, comment, added_at)"
    " SELECT cluster, user, fingerprint, key, comment, added_at FROM here.ssh_keys",
)
HAS_KEYS = "SELECT 1 FROM here.sqlite_master WHERE type = 'table' AND name = 'ssh_keys'"
TAKE_NONCES = "INSERT OR IGNORE INTO nonces (cluster, nonce, seen_at) SELECT cluster, nonce, seen_at FROM here.nonces"


@dataclass(frozen=True)
class Mended:
    """How many links were changed, and whether the store that is replaced could still be read."""

    ended: int
    unheard: int
    newer_known: bool


def mend(store: Path, present: Path | None, now: float) -> Mended:
    """Change the restored file; `present` is the store that it replaces."""
    try:
        with closing(sqlite3.connect(store, isolation_level=None)) as database:
            (verdict,) = database.execute("PRAGMA quick_check").fetchone()
            if verdict != "ok":
                raise RegistryError(f"The store in the backup is damaged: {verdict}. Take another backup.")
            known, ended = _take_over(database, present)
            ended += _end_lost(database, now, known=known)
            unheard = _make_silent(database, now)
    except sqlite3.Error as error:
        raise RegistryError(f"The store in the backup cannot be used: {error}. Take another backup.") from error
    return Mended(ended, unheard, known)


def _take_over(database: sqlite3.Connection, present: Path | None) -> tuple[bool, int]:
    """A link that both stores know is as it is here, not as it was: revoked, or in use with a lease that holds.

    What was sent once stays spent as well.
    """
    if present is None or not present.exists():
        return False, 0
    try:
        database.execute("ATTACH ? AS here", (f"{present}",))
        database.execute("BEGIN IMMEDIATE")
        # The ended ones first: they make room, for a target is one live link's at a time.
        done = database.execute(TAKE_ENDINGS, (ENDED, ENDED)).rowcount
        database.execute(TAKE_LIVES, (ENDED, ENDED))
        database.execute(TAKE_NONCES)
        # The store of a version from before users had keys has none to tell of.
        for statement in TAKE_KEYS if database.execute(HAS_KEYS).fetchone() else ():
            database.execute(statement)
        database.execute("COMMIT")
        database.execute("DETACH here")
    except sqlite3.Error:
        if database.in_transaction:
            database.execute("ROLLBACK")
        return False, 0
    return True, done


def _end_lost(database: sqlite3.Connection, now: float, *, known: bool) -> int:
    """End what is over; and what was starting, if it may have become ready since, at a target that nobody knows now.

    A link of Satellite's whose lease is over has no job that could prove to be its own, only an address.
    """
    lost = "" if known else STARTING
    return database.execute(
        "UPDATE links SET state = ?, cause = ?, reason = ?, ended_at = ?"
        " WHERE state = ? OR (state != ? AND expires_at <= ?) OR (api = ? AND state = ? AND lease_until <= ?)",
        (ENDED, Cause.ENDED.value, RESTORED, now, lost, ENDED, now, SATELLITE.name, READY, now),
    ).rowcount


def _make_silent(database: sqlite3.Connection, now: float) -> int:
    """A link whose lease is over has no route until its own job is heard of, and ends soon if it is not."""
    return database.execute(
        "UPDATE links SET lease_until = ? WHERE state = ? AND lease_until <= ?",
        (now - SILENCE_SECONDS + GRACE_SECONDS, READY, now),
    ).rowcount
