"""Users' tunnels to this host: whose keys there are, and the file by which sshd knows what each may open.

The settings say who may listen where; which keys are theirs is the users' word. The file is the store's picture, like
the route files: sshd's AuthorizedKeysCommand prints it at each login of the tunnel account.
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
    """Keeps users' keys, and the file as the store says."""

    def __init__(self, settings: Settings, database: Database, clock: Clock) -> None:
        self._settings = settings
        self._keys = SshKeyStore(database)
        self._clock = clock
        self._file = settings.folders.tunnels_dir / FILE
        # Between processes too: what an administrator's command removes, the service must not write again.
        self._writing = SharedLock(settings.folders.state_dir / "tunnels.lock", places=database.places)

    @property
    def destination(self) -> str:
        """Where users' ssh logs in to."""
        return self._settings.tunnel_destination

    def places(self, owner: Owner) -> tuple[str, ...]:
        """Where the owner's tunnels may listen."""
        return self._settings.tunnels.get(owner, ())

    def kept(self, cluster: str = "", user: str = "") -> list[KeptKey]:
        """Those that are kept."""
        return self._keys.find(cluster, user)

    def add(self, owner: Owner, key: SshKey) -> None:
        """Let whoever has the key open the owner's tunnels."""
        if not self._keys.add(owner, key, self._clock(), MOST_KEYS):
            sentence = f"You have {MOST_KEYS} keys, as many as are allowed. Remove one first."
            raise RegistryError(sentence, "too-many-keys", 429)
        self.write()

    def remove(self, owner: Owner, fingerprint: str) -> bool:
        """Take that back; false if the owner has no such key. A tunnel that is open stays open."""
        with self._writing.hold():
            # The file first: what the store has forgotten, nobody would look for in a file that could not be written.
            self._put(key for key in self._opening() if (key.owner, key.fingerprint) != (owner, fingerprint))
            return self._keys.remove(owner, fingerprint)

    def write(self) -> None:
        """Make the file what the store says; sshd wants one even if it is empty."""
        with self._writing.hold():
            self._put(self._opening())

    def _opening(self) -> list[KeptKey]:
        # Not all that are kept: a cluster may give any number of keys for users without a place.
        return self._keys.of(self._settings.tunnels)

    def _put(self, kept: Iterable[KeptKey]) -> None:
        said = "".join(f"{line}\n" for line in self._lines(kept)).encode("ascii")
        if not self._is(said):
            # Public keys, for sshd's helper, which has no rights: no secret is in it.
            write_beside(self._file, said, 0o644)

    def _is(self, said: bytes) -> bool:
        try:
            return self._file.read_bytes() == said
        except FileNotFoundError:
            # Where nobody may open a tunnel, sshd does not ask.
            return not self._settings.tunnels

    def reconcile(self) -> None:
        """Another host's service may have changed the store, or a crash have come in between."""
        try:
            self.write()
        except FileNotFoundError as error:
            audit.problem(f"The folder {self._file.parent} is missing, so no key opens a tunnel: {error.strerror}.")
        except (RegistryError, OSError) as error:
            # Notebooks need no tunnel: the service starts without, and sweeps on.
            said = error.sentence if isinstance(error, RegistryError) else explain(error)
            audit.problem(f"{self._file} could not be made what the store says, and is tried again: {said}")

    def _lines(self, kept: Iterable[KeptKey]) -> list[str]:
        # One line for a key, whoever gave it: sshd looks at the first alone. Or somebody who gave another's public key
        # could keep its owner from the owner's places.
        opens: dict[str, dict[str, None]] = {}
        for key in kept:
            places = dict.fromkeys(self.places(key.owner))
            # A disk that changed a row must open nothing to anybody.
            if places and is_whole(key.key, key.fingerprint):
                opens.setdefault(key.key, {}).update(places)
        return [f"{_options(places)} {key}" for key, places in opens.items()]


def _options(places: Iterable[str]) -> str:
    return ",".join(["restrict", "port-forwarding", *(f'permitlisten="{place}"' for place in places)])
