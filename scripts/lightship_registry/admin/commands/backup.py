"""`lightship backup`: everything that cannot be made again, in one file that only root may read."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import click

from lightship_registry import __version__
from lightship_registry.admin import archive, host, zone_keys
from lightship_registry.admin.output import examples
from lightship_registry.core import audit
from lightship_registry.core.clock import wall
from lightship_registry.core.errors import RegistryError
from lightship_registry.core.locks import hold_folder
from lightship_registry.core.settings import Settings
from lightship_registry.links.names import SERIES_FILE
from lightship_registry.store.schema import is_sqlite

PG_DUMP = (
    "The store is a database server's and is NOT in this backup. Back it up by its own means at the same time:\n"
    "    pg_dump --format=custom --file=lightship.dump DATABASE"
)


@click.command(epilog=examples("lightship backup /root/lightship-$(date +%F).tar.gz"))
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.pass_obj
def backup(config: Path, file: Path) -> None:
    """Write one file with everything: the store, both authorities, the clusters' and the zone's keys, the settings.

    The service goes on meanwhile. Whoever has the file can pass as the proxy and as any cluster: it is made with mode
    0600, keep it so.
    """
    loaded = host.load(config)
    host.require_root(loaded)
    try:
        # As root, because only root may be able to write there; the rest is done as the service's user.
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    except FileExistsError as error:
        raise RegistryError(f"{file} is there already. Choose another name, or remove it.") from error
    try:
        # The service's user must not read the name server's keys.
        held = {f"zone_keys/{name}": content for name, content in zone_keys.read().items()}
        host.as_service(loaded, lambda: write(loaded, config, descriptor, held))
    except BaseException:
        file.unlink()
        raise
    finally:
        os.close(descriptor)
    host.record(loaded, audit.Event("backup", "ok", by=host.who()))
    click.echo(f"{file}: {file.stat().st_size} bytes. It holds keys: only root may read it, here and wherever it goes.")
    if not is_sqlite(loaded.store):
        click.echo(PG_DUMP, err=True)


def write(settings: Settings, config: Path, descriptor: int, held: Mapping[str, bytes]) -> None:
    """Write the archive to an open file."""
    # Certificates and keys that a rollover changes meanwhile would not fit together.
    with hold_folder(settings.folders.state_dir / "authorities"):
        _write(settings, config, descriptor, held)


def _write(settings: Settings, config: Path, descriptor: int, held: Mapping[str, bytes]) -> None:
    kept = settings.folders
    files = {f"state/{path.relative_to(kept.state_dir)}": path for path in _state_files(kept.state_dir)}
    files |= {f"clusters/{path.name}": path for path in sorted(kept.clusters_dir.glob("*.key*")) if path.is_file()}
    files = {name: path for name, path in files.items() if archive.KNOWN.fullmatch(name)}
    files["registry.toml"] = config
    store = "sqlite" if is_sqlite(settings.store) else "external"
    manifest = archive.Manifest(archive.FORMAT, __version__, int(wall()), settings.domain, store, {})
    with (
        tempfile.TemporaryDirectory(prefix=".backup-", dir=kept.state_dir) as folder,
        os.fdopen(os.dup(descriptor), "wb") as out,
    ):
        if store == "sqlite":
            files[archive.STORE] = Path(folder) / "registry.sqlite3"
            copy_store(settings.store_file, files[archive.STORE])
        archive.pack(out, manifest, files, held)
        out.flush()
        os.fsync(out.fileno())


def copy_store(source: Path, target: Path) -> None:
    """Copy the store consistently while the service writes, into one file without a log."""
    try:
        with closing(sqlite3.connect(source)) as from_, closing(sqlite3.connect(target)) as to:
            from_.backup(to)
            to.execute("PRAGMA journal_mode = DELETE")
            (verdict,) = to.execute("PRAGMA quick_check").fetchone()
    except sqlite3.Error as error:
        raise RegistryError(f"The store {source} cannot be copied: {error}.") from error
    if verdict != "ok":
        raise RegistryError(f"The store {source} is damaged: {verdict}. Restore a backup that was made before.")


def _state_files(state: Path) -> list[Path]:
    folders = (state / "authorities", state / "web_proxy")
    pairs = [path for folder in folders for path in sorted(folder.glob("*")) if path.is_file()]
    return pairs + [path for path in (state / SERIES_FILE,) if path.exists()]
