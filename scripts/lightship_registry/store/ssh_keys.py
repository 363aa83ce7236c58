"""Users' SSH keys in the store."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, delete, func, insert, select, tuple_, update

from lightship_registry.core.records import Owner
from lightship_registry.core.ssh_keys import SshKey
from lightship_registry.store.database import Database
from lightship_registry.store.schema import ssh_keys


@dataclass(frozen=True)
class KeptKey:
    """One row, as read."""

    cluster: str
    user: str
    fingerprint: str
    key: str
    comment: str
    added_at: float

    @property
    def owner(self) -> Owner:
        """The user who gave the key."""
        return Owner(self.cluster, self.user)


class SshKeyStore:
    """The keys, by owner and fingerprint."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of(self, owners: Iterable[Owner]) -> list[KeptKey]:
        """The keys of these owners, oldest first."""
        pairs = [(owner.cluster, owner.user) for owner in owners]
        return self._read(tuple_(ssh_keys.c.cluster, ssh_keys.c.user).in_(pairs)) if pairs else []

    def find(self, cluster: str = "", user: str = "") -> list[KeptKey]:
        """The keys of the cluster or of the user, if given, or all; oldest first."""
        given = ((ssh_keys.c.cluster, cluster), (ssh_keys.c.user, user))
        return self._read(*(column == value for column, value in given if value))

    def _read(self, *conditions: ColumnElement[bool]) -> list[KeptKey]:
        wanted = select(ssh_keys).where(*conditions).order_by(ssh_keys.c.added_at, ssh_keys.c.fingerprint)
        with self._database.read() as connection:
            return [KeptKey(**row._mapping) for row in connection.execute(wanted)]

    def add(self, owner: Owner, key: SshKey, now: float, most: int) -> bool:
        """Add the key, or update its comment; false if the owner has as many keys as are allowed."""
        count = select(func.count()).select_from(ssh_keys).where(_of(owner))
        with self._database.write("ssh-keys", owner.cluster, owner.user) as connection:
            told = update(ssh_keys).where(_one(owner, key.fingerprint)).values(comment=key.comment)
            if connection.execute(told).rowcount:
                return True
            if connection.execute(count).scalar_one() >= most:
                return False
            row = {"cluster": owner.cluster, "user": owner.user, "fingerprint": key.fingerprint, "added_at": now}
            connection.execute(insert(ssh_keys).values(**row, key=key.text, comment=key.comment))
            return True

    def remove(self, owner: Owner, fingerprint: str) -> bool:
        """Delete the key; false if the owner has no such key."""
        with self._database.write() as connection:
            return connection.execute(delete(ssh_keys).where(_one(owner, fingerprint))).rowcount == 1


def _of(owner: Owner) -> ColumnElement[bool]:
    return and_(ssh_keys.c.cluster == owner.cluster, ssh_keys.c.user == owner.user)


def _one(owner: Owner, fingerprint: str) -> ColumnElement[bool]:
    return and_(_of(owner), ssh_keys.c.fingerprint == fingerprint)
