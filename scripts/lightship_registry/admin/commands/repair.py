"""`lightship repair`: a new store of all that can be read in a damaged one."""

from __future__ import annotations

import secrets
import shutil
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import click

from lightship_registry.admin import host, putting_back, service_control
from lightship_registry.admin.output import examples
from lightship_registry.admin.salvage import Salvaged, salvage, step_of
from lightship_registry.core import audit
from lightship_registry.core.errors import RegistryError
from lightship_registry.core.settings import Settings
from lightship_registry.links import names
from lightship_registry.store.migrate import upgrade
from lightship_registry.store.schema import is_sqlite


@click.command(epilog=examples("lightship repair --force"))
@click.option("--force", is_flag=True, help="Stop the service when it runs, and start it afterwards.")
@click.pass_obj
def repair(config: Path, force: bool) -> None:
    """Make a new store of all that can be read in a damaged one.

    The damaged one is kept. Links that can be read go on as they are; those that cannot are unknown afterwards, and
    their notebooks stop. No name is given again. The doctor says whether the store is damaged.
    """
    loaded = host.load(config)
    host.require_root(loaded)
    if not is_sqlite(loaded.store):
        raise RegistryError("The store is a database server's. Repair it by that server's own means.")
    stamp = f"{time.strftime('before-repair-%Y%m%dT%H%M%S')}-{secrets.token_hex(2)}"
    with service_control.stopped(force=force):
        host.as_service(loaded, lambda: _replace(loaded, stamp))
    host.record(loaded, audit.Event("repair", "ok", by=host.who()))


def _replace(settings: Settings, stamp: str) -> None:
    state = settings.folders.state_dir
    with tempfile.TemporaryDirectory(prefix=".repair-", dir=state) as folder:
        fresh = Path(folder) / "state"
        found = _salvage(settings, Path(folder) / "damaged", fresh)
        # Names that cannot be read any more must not be given again.
        names.add_series(fresh, names.read_series(state))
        putting_back.swap(fresh, state, state / stamp)
    putting_back.follow(settings)
    _tell(found, state / stamp)


def _salvage(settings: Settings, scratch: Path, fresh: Path) -> Salvaged:
    scratch.mkdir()
    fresh.mkdir()
    for path in settings.folders.state_dir.glob("registry.sqlite3*"):
        # With its log, which may hold the last changes.
        if path.name in putting_back.REPLACED and not path.name.endswith("-shm"):
            shutil.copyfile(path, scratch / path.name)
    damaged = scratch / settings.store_file.name
    new = replace(settings, folders=replace(settings.folders, state_dir=fresh))
    step = step_of(damaged)
    # First the tables of the version that wrote the rows: then the migrations change its values as in every store.
    upgrade(new, step)
    found = salvage(damaged, new.store_file)
    upgrade(new)
    if not step:
        click.echo("The store does not say any more which version made it. Its rows were taken for this version's.")
    return found


def _tell(found: Salvaged, before: Path) -> None:
    click.echo(f"{found.links} links were read. The damaged store is in {before}.")
    click.echo(
        "What was changed in the last minutes may be missing, a revocation too: lightship links, and revoke again."
    )
    if found.lost:
        click.echo(
            f"{found.lost} rows could not be read. If a backup knows them, `lightship restore` brings them back."
        )
