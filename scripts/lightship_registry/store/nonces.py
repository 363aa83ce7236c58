"""The nonces of signed requests: each is valid once."""

from __future__ import annotations

from sqlalchemy import delete
from sqlalchemy.dialects import postgresql, sqlite

from lightship_registry.store.database import Database
from lightship_registry.store.schema import nonces


class NonceStore:
    """The nonces that were used."""

    def __init__(self, database: Database) -> None:
        self._database = database
        insert_of = sqlite.insert if database.on_file else postgresql.insert
        self._spend = insert_of(nonces).on_conflict_do_nothing()

    def spend(self, cluster: str, nonce: str, now: float) -> bool:
        """Use the nonce; false if it was used before."""
        return self._database.change(self._spend, {"cluster": cluster, "nonce": nonce, "seen_at": now})

    def forget(self, before: float) -> None:
        """Delete the nonces whose time stamp no valid signature can have any more."""
        with self._database.write() as connection:
            connection.execute(delete(nonces).where(nonces.c.seen_at < before))
