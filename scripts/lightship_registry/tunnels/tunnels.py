"""Users' tunnels to this host: their keys, and the file that tells sshd what each key may open.

The settings say which users may listen where, and the users register their own keys. Like the route files, the file
follows the store. sshd's AuthorizedKeysCommand prints it at each login of the tunnel account.
"""

from __future__ import annotations

from collections.abc import Iterable

from lightship_registry.core import audit
from lightship_registry.core.clock import Clock
from lightship_registry.core.db_errors import explain
from lightship_registry.core.errors import RegistryError
from lightship_registry.core.files import write_beside
from lightship_registry.core.locks import SharedLock
from lightship_registry.core.records import Owner
from lightship_registry.core.settings import Settings
from lightship_registry.core.ssh_keys import SshKey, is_whole
from lightship_registry.store.database import Database
from lightship_registry.store.ssh_keys import KeptKey, SshKeyStore

MOST_KEYS = 10
FILE = "authorized_keys"


class Tunnels:
    """Adds and removes users' keys, and makes the file agree with the store."""

    def __init__(self, settings: Settings, database: Database, clock: Clock) -> None:
        self._settings = settings
        self._keys = SshKeyStore(database)
        self._clock = clock
        self._file = settings.folders.tunnels_dir / FILE
        # Processes share the lock: the service must not restore a key that an administrator's command has just removed.
        self._writing = SharedLock(settings.folders.state_dir / "tunnels.lock", slots=database.slots)

    @property
    def destination(self) -> str:
        """The account that users' ssh logs in to."""
        return self._settings.tunnel_destination

    def listen_addresses(self, owner: Owner) -> tuple[str, ...]:
        """Where the owner's tunnels may listen."""
        return self._settings.tunnels.get(owner, ())

    def kept(self, cluster: str = "", user: str = "") -> list[KeptKey]:
        """The keys in the store."""
        return self._keys.find(cluster, user)

    def add(self, owner: Owner, key: SshKey) -> None:
        """Register the key: it opens the owner's tunnels."""
        if not self._keys.add(owner, key, self._clock(), MOST_KEYS):
            sentence = f"You have {MOST_KEYS} keys, as many as are allowed. Remove one first."
            raise RegistryError(sentence, "too-many-keys", 429)
        self.write()

    def remove(self, owner: Owner, fingerprint: str) -> bool:
        """Remove the key; false if the owner has no such key. Open tunnels stay open."""
        with self._writing.hold():
            # The file first: if it cannot be written, the key stays in the store, where everybody still sees it.
            self._put(key for key in self._opening() if (key.owner, key.fingerprint) != (owner, fingerprint))
            return self._keys.remove(owner, fingerprint)

    def write(self) -> None:
        """Make the file agree with the store; sshd needs it even if it is empty."""
        with self._writing.hold():
            self._put(self._opening())

    def _opening(self) -> list[KeptKey]:
        # Only keys of users with a listen address: a cluster may register any number of keys for others.
        return self._keys.of(self._settings.tunnels)

    def _put(self, kept: Iterable[KeptKey]) -> None:
        said = "".join(f"{line}\n" for line in self._lines(kept)).encode("ascii")
        if not self._is(said):
            # sshd's helper reads it without any rights. It holds public keys only.
            write_beside(self._file, said, 0o644)

    def _is(self, said: bytes) -> bool:
        try:
            return self._file.read_bytes() == said
        except FileNotFoundError:
            # If nobody may open a tunnel, sshd does not read it.
            return not self._settings.tunnels

    def reconcile(self) -> None:
        """Write the file again: another host may have changed the store, or a crash may have prevented the write."""
        try:
            self.write()
        except FileNotFoundError as error:
            audit.problem(f"The folder {self._file.parent} is missing, so no key opens a tunnel: {error.strerror}.")
        except (RegistryError, OSError) as error:
            # Notebooks need no tunnel: the service starts and sweeps without the file.
            said = error.sentence if isinstance(error, RegistryError) else explain(error)
            audit.problem(f"{self._file} could not be written as the store says, and is tried again: {said}")

    def _lines(self, kept: Iterable[KeptKey]) -> list[str]:
        # One line per key, whoever registered it: sshd reads only the first line of a key. Otherwise somebody who
        # registered another user's public key could block that user's tunnels.
        opens: dict[str, dict[str, None]] = {}
        for key in kept:
            addresses = dict.fromkeys(self.listen_addresses(key.owner))
            # A row that a disk error changed must open nothing.
            if addresses and is_whole(key.key, key.fingerprint):
                opens.setdefault(key.key, {}).update(addresses)
        return [f"{_options(addresses)} {key}" for key, addresses in opens.items()]


def _options(addresses: Iterable[str]) -> str:
    return ",".join(["restrict", "port-forwarding", *(f'permitlisten="{address}"' for address in addresses)])
