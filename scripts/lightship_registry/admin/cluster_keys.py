"""The files that hold the clusters' keys: `CLUSTER.key`, and after a rotation `CLUSTER.key.old` for a while."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from pathlib import Path

from lightship_registry.api.signatures import read_key, read_old_key
from lightship_registry.core.errors import RegistryError
from lightship_registry.core.files import write_beside
from lightship_registry.core.settings import Settings

MODE = 0o640


@dataclass(frozen=True)
class ClusterKeys:
    """The keys of one cluster."""

    folder: Path
    cluster: str
    group: int = -1

    @property
    def path(self) -> Path:
        """The current key."""
        return self.folder / f"{self.cluster}.key"

    @property
    def old_path(self) -> Path:
        """The previous key; the second line says until when it is valid."""
        return self.folder / f"{self.cluster}.key.old"

    def fingerprint(self) -> str:
        """The output of `sha256sum` for the file, here and on a login node; empty without a valid key."""
        try:
            return hashlib.sha256(_text(read_key(self.path).hex())).hexdigest()
        except RegistryError:
            return ""

    def old_until(self, now: float) -> int:
        """Until when the previous key is valid; 0 if it is not."""
        if read_old_key(self.folder, self.cluster, now) is None:
            return 0
        return int(self.old_path.read_text("ascii").split()[1])

    def rotate(self, now: float, overlap: int) -> None:
        """Make a new key; the current one stays valid for `overlap` seconds."""
        # The old key first: at each moment one valid key must be the one that the login nodes have.
        if overlap and self.fingerprint():
            old = _text(read_key(self.path).hex()) + f"{int(now) + overlap}\n".encode("ascii")
            write_beside(self.old_path, old, MODE, self.group)
        write_beside(self.path, _text(secrets.token_hex(32)), MODE, self.group)
        if not overlap:
            self.old_path.unlink(missing_ok=True)

    def end_old(self) -> bool:
        """Remove the previous key; false if there was none."""
        present = self.old_path.exists()
        self.old_path.unlink(missing_ok=True)
        return present

    def revoke(self) -> bool:
        """Remove both keys; false if there was none."""
        present = [path for path in (self.path, self.old_path) if path.exists()]
        for path in present:
            path.unlink()
        return bool(present)


def keys_of(settings: Settings, cluster: str, group: int = -1) -> ClusterKeys:
    """The keys of a cluster; an error if the settings do not name it."""
    if cluster not in settings.clusters:
        known = ", ".join(sorted(settings.clusters))
        raise RegistryError(f"There is no cluster {cluster!r}. There are: {known}.", "no-such-cluster")
    return ClusterKeys(settings.folders.clusters_dir, cluster, group)


def _text(key: str) -> bytes:
    return f"{key}\n".encode("ascii")
