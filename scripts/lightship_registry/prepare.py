"""Makes what the service needs to run; leaves alone what is there."""

from __future__ import annotations

import os
from pathlib import Path

from lightship_registry.core.clock import Clock, wall
from lightship_registry.core.errors import RegistryError
from lightship_registry.core.settings import Settings
from lightship_registry.pki.authorities import Authority
from lightship_registry.pki.keystore import Keystore
from lightship_registry.store.migrate import upgrade


def prepare(settings: Settings, clock: Clock = wall, given: Authority | None = None) -> list[str]:
    """One line for each thing made or changed. A given authority is the first one for links, on a new host."""
    os.umask(0o077)
    keys = Keystore(settings)
    try:
        state = settings.folders.state_dir
        made = [state] if _make_folder(state) else []
        become_owner(state)
        made += [path for path in keys.folders if _make_folder(path)]
        made += keys.prepare(clock(), given)
    except OSError as error:
        raise RegistryError(f"Cannot prepare {error.filename}: {error.strerror}.") from error
    return [f"changed: made {path}" for path in made] + [f"changed: {done}" for done in upgrade(settings)]


def _make_folder(path: Path) -> bool:
    if path.is_dir():
        return False
    path.mkdir(mode=0o750, parents=True)
    return True


def become_owner(folder: Path) -> None:
    """Run as root, go on as the folder's owner: the service could not read what is root's."""
    owner = folder.stat()
    if os.geteuid() == 0 and owner.st_uid != 0:
        os.setgroups([])
        os.setgid(owner.st_gid)
        os.setuid(owner.st_uid)
