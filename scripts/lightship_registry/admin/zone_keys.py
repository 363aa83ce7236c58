"""The keys that sign the zone of this host. BIND owns them; a backup holds them, and a new host can have them back."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from lightship_registry.admin import archive, host, service_control
from lightship_registry.core.errors import RegistryError

# Role dns_zone has BIND keep them there.
FOLDER = Path("/var/lib/bind/lightship/keys")
NAME_SERVER = "named.service"
# What BIND made with other keys. The next run of role dns_zone makes the challenge's zone anew.
SIGNED = ("*.signed", "*.signed.jnl", "*.jbk", "_acme-challenge.*")


def read() -> dict[str, bytes]:
    """Return the contents of the keys' files by name, as root; nothing where no zone is signed."""
    found = {path.name: path for path in FOLDER.glob("K*") if archive.KNOWN.fullmatch(f"zone_keys/{path.name}")}
    return {name: _content(path) for name, path in sorted(found.items())}


def require(manifest: archive.Manifest) -> None:
    """Refuse to put keys back that the backup does not have, or where BIND signs nothing."""
    if not any(name.startswith("zone_keys/") for name in manifest.files):
        raise RegistryError("The backup has no keys of the zone: it was not signed then. Leave out --zone-keys.")
    if not FOLDER.is_dir():
        sentence = f"This host signs no zone: there is no {FOLDER}."
        raise RegistryError(f"{sentence} Set dns_zone_dnssec to true, run site.yml --tags dns_zone, and restore again.")


def put_back(keys: Mapping[str, bytes], stamp: str) -> Path:
    """Replace the keys, and have BIND sign everything with these; the folder of what was there before."""
    before = FOLDER.parent / f"keys-{stamp}"
    # It has them in memory, and would write their states.
    if not service_control.done("stop", NAME_SERVER):
        raise RegistryError(f"{NAME_SERVER} cannot be stopped; the zone's keys were not changed.")
    try:
        # BIND can write to the folder, and must not be able to mislead root.
        host.as_owner(FOLDER, lambda: _replace(keys, before))
    finally:
        started = service_control.done("start", NAME_SERVER)
    if not started:
        raise RegistryError(f"{NAME_SERVER} does not start: journalctl -u {NAME_SERVER}. The former keys: {before}")
    return before


def _content(path: Path) -> bytes:
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode) or status.st_uid != FOLDER.stat().st_uid:
            raise RegistryError(f"{path} is no file of BIND's. Look who put it there, and remove it.")
        return file.read()


def _replace(keys: Mapping[str, bytes], before: Path) -> None:
    before.mkdir(mode=0o700)
    signed = [path for pattern in SIGNED for path in FOLDER.parent.glob(pattern)]
    for path in (*FOLDER.glob("K*"), *signed):
        path.rename(before / path.name)
    for name, content in keys.items():
        path = FOLDER / name
        path.touch(mode=0o600, exist_ok=False)
        path.write_bytes(content)
