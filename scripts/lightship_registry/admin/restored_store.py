"""Changes a restored store so that it fits the present: ended links, running notebooks, keys and nonces."""

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
# Notebooks that still run send a heartbeat within this time. Then the sweeper ends the silent links.
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
# The present keys are valid, not those of the backup: a key that was removed since stays removed.
TAKE_KEYS = (
    "DELETE FROM ssh_keys",
    "INSERT INTO ssh_keys (cluster, user, fingerprint, key, comment, added_at)"
    " SELECT cluster, user, fingerprint, key, comment, added_at FROM here.ssh_keys",
)
HAS_KEYS = "SELECT 1 FROM here.sqlite_master WHERE type = 'table' AND name = 'ssh_keys'"
TAKE_NONCES = "INSERT OR IGNORE INTO nonces (cluster, nonce, seen_at) SELECT cluster, nonce, seen_at FROM here.nonces"


@dataclass(frozen=True)
class Mended:
    """How many links were changed, and whether the replaced store could be read."""

    ended: int
    unheard: int
    newer_known: bool


def mend(store: Path, present: Path | None, now: float) -> Mended:
    """Change the restored file. It replaces the store `present`."""
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
    """Take the present state of links that both stores know: they may be revoked, or have a new target or lease.

    Nonces that were used since the backup stay used.
    """
    if present is None or not present.exists():
        return False, 0
    try:
        database.execute("ATTACH ? AS here", (f"{present}",))
        database.execute("BEGIN IMMEDIATE")
        # Ended links first: only one live link may have a target.
        done = database.execute(TAKE_ENDINGS, (ENDED, ENDED)).rowcount
        database.execute(TAKE_LIVES, (ENDED, ENDED))
        database.execute(TAKE_NONCES)
        # The store of an older version has no table of keys.
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
    """End links that expired, and starting links if they may have become ready since, at an unknown target.

    Satellite's links without a lease end too: only an address, and no certificate, could show that it is their job.
    """
    lost = "" if known else STARTING
    return database.execute(
        "UPDATE links SET state = ?, cause = ?, reason = ?, ended_at = ?"
        " WHERE state = ? OR (state != ? AND expires_at <= ?) OR (api = ? AND state = ? AND lease_until <= ?)",
        (ENDED, Cause.ENDED.value, RESTORED, now, lost, ENDED, now, SATELLITE.name, READY, now),
    ).rowcount


def _make_silent(database: sqlite3.Connection, now: float) -> int:
    """Links without a lease get no route before their job sends a heartbeat, and end soon if it sends none."""
    return database.execute(
        "UPDATE links SET lease_until = ? WHERE state = ? AND lease_until <= ?",
        (now - SILENCE_SECONDS + GRACE_SECONDS, READY, now),
    ).rowcount
