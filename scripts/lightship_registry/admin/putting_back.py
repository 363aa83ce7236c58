"""The steps of restore and repair that move files. The replaced files are kept, so that each can be undone by hand."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from lightship_protocol.states import ENDED
from lightship_registry.admin import host
from lightship_registry.admin.cluster_keys import MODE
from lightship_registry.core.files import write_beside
from lightship_registry.core.settings import Settings
from lightship_registry.links.cuts import Cuts
from lightship_registry.links.names import SERIES_FILE
from lightship_registry.prepare import prepare

REPLACED = ("registry.sqlite3", "registry.sqlite3-wal", "registry.sqlite3-shm", "authorities", "web_proxy", SERIES_FILE)
FOLDER_MODE = 0o700


def swap(fresh: Path, state: Path, before: Path) -> None:
    """Move the present files to `before`, and the fresh ones to their place; undo everything if a step fails."""
    before.mkdir(mode=0o700)
    _set_modes(fresh)
    moved: list[tuple[Path, Path]] = []
    try:
        for name in REPLACED:
            for source, target in ((state / name, before / name), (fresh / name, state / name)):
                # A file that is not in the backup stays, as the store does if it is a database server's.
                if source.exists() and (fresh / name).exists() | name.startswith("registry.sqlite3-"):
                    source.rename(target)
                    moved.append((target, source))
    except OSError:
        for target, source in reversed(moved):
            target.rename(source)
        raise


def put_keys(keys: Mapping[str, bytes], folder: Path, stamp: str, group: int) -> Path:
    """Replace the clusters' keys by those of the backup; the folder of the replaced ones."""
    before = folder / stamp
    before.mkdir(mode=0o700)
    for path in sorted(folder.glob("*.key*")):
        path.rename(before / path.name)
    for name, content in keys.items():
        write_beside(folder / name, content, MODE, group)
    return before


def follow(settings: Settings) -> None:
    """As the service's user, upgrade the store, and make the routes agree with it."""
    prepare(settings)
    folder = settings.folders.routes_dir
    before = {path.name: path.read_text("ascii") for path in folder.iterdir()}
    database, parts = host.open_links(settings)
    try:
        parts.reconciler.restore()
        # Cut the connections of links that ended, or that the restored store does not know.
        for name in before.keys() - {path.name for path in folder.iterdir()}:
            link = parts.store.find(name)
            if link is None or link.state == ENDED:
                Cuts(settings.folders.cut_dir).order(name, before[name].strip().partition("://")[2])
    finally:
        database.engine.dispose()


def _set_modes(folder: Path) -> None:
    for path in folder.rglob("*"):
        public = path.suffix == ".crt"
        path.chmod(FOLDER_MODE if path.is_dir() else 0o644 if public else 0o600)
