"""`lightship restore`: replaces the service's state by that of a backup."""

from __future__ import annotations

import secrets
import shutil
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import click
from sqlalchemy.exc import SQLAlchemyError

from lightship_registry.admin import archive, host, putting_back, service_control, web_server, zone_keys
from lightship_registry.admin.output import examples
from lightship_registry.admin.restored_store import GRACE_SECONDS, Mended, mend
from lightship_registry.core import audit
from lightship_registry.core.clock import wall
from lightship_registry.core.errors import RegistryError
from lightship_registry.core.settings import Settings
from lightship_registry.links import names
from lightship_registry.store.migrate import upgrade
from lightship_registry.store.schema import is_sqlite


@click.command(epilog=examples("lightship restore /root/lightship-2026-11-20.tar.gz --force"))
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--force", is_flag=True, help="Stop the service when it runs, and start it afterwards.")
@click.option("--cluster-keys", is_flag=True, help="The clusters' keys too, even those that were revoked since.")
@click.option("--zone-keys", "zones", is_flag=True, help="The zone's keys too, whose DS record the parent domain has.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def restore(config: Path, file: Path, force: bool, cluster_keys: bool, zones: bool, yes: bool) -> None:
    """Put back what `lightship backup` wrote: the store and both authorities.

    The whole file is checked before anything changes, and what was here before is kept beside it. Links that ended
    since the backup stay ended, and no name that was given since is given again. The registry's README.md says more.
    """
    loaded = host.load(config)
    host.require_root(loaded)
    with file.open("rb") as opened:
        manifest = archive.check(opened)
        _require_fit(loaded, manifest)
        if zones:
            zone_keys.require(manifest)
        if not yes:
            made = host.moment(manifest.time)
            click.confirm(f"Replace the state of {loaded.domain} by that of {made}?", abort=True, err=True)
        stamp = f"{time.strftime('before-restore-%Y%m%dT%H%M%S')}-{secrets.token_hex(2)}"
        with service_control.stopped(force=force):
            # Not as root: the service can write to the folder, and must not be able to mislead root.
            host.as_service(loaded, lambda: _replace(loaded, opened, stamp))
            if cluster_keys:
                _replace_keys(loaded, opened, stamp)
        if zones:
            _replace_zone_keys(opened, stamp)
    what = f"backup of {host.moment(manifest.time)}"
    host.record(loaded, audit.Event("restore", "ok", reason=what, by=host.who()))
    _say_what_is_next(web_server.deployed(loaded).service)


def _require_fit(settings: Settings, manifest: archive.Manifest) -> None:
    if manifest.domain != settings.domain:
        raise RegistryError(f"This is a backup of {manifest.domain}, and this is the proxy of {settings.domain}.")
    if (manifest.store == "sqlite") != is_sqlite(settings.store):
        raise RegistryError(f"This backup's store is {manifest.store}, and store_url names another. Set it as it was.")


def _upgrade(unpacked: Settings) -> None:
    # The next steps need the tables of this version in both stores.
    try:
        upgrade(unpacked)
    except SQLAlchemyError as error:
        raise RegistryError(f"The store in the backup cannot be used: {error}. Take another backup.") from error


def _replace(settings: Settings, opened: BinaryIO, stamp: str) -> None:
    state = settings.folders.state_dir
    before = state / stamp
    with tempfile.TemporaryDirectory(prefix=".restore-", dir=state) as folder:
        fresh = Path(folder)
        external = archive.unpack(opened, fresh).store != "sqlite"
        if not external:
            _upgrade(replace(settings, folders=replace(settings.folders, state_dir=fresh / "state"), store_url=""))
        mended = None if external else mend(fresh / archive.STORE, settings.store_file, wall())
        # Before the swap: after a crash, the store must not give names again that were given since the backup.
        names.add_series(fresh / "state", names.read_series(fresh / "state") + names.read_series(state))
        putting_back.swap(fresh / "state", state, before)
        shutil.copyfile(fresh / "registry.toml", before / "registry.toml.of-backup")
    putting_back.follow(settings)
    click.echo(f"What was here before is in {before}. Remove it when all is well: it holds keys.")
    if mended is not None:
        _tell(mended)


def _replace_keys(settings: Settings, opened: BinaryIO, stamp: str) -> None:
    keys = archive.contents(opened, "clusters")
    group = host.owner_of(settings).st_gid
    before = putting_back.put_keys(keys, settings.folders.clusters_dir, stamp, group)
    click.echo(f"The keys of {len(keys)} clusters were put back. Those that were here before are in {before}.")
    click.echo("    lightship keys show-fingerprint    # compare with /etc/lightship/cluster.key on the login nodes")


def _replace_zone_keys(opened: BinaryIO, stamp: str) -> None:
    before = zone_keys.put_back(archive.contents(opened, "zone_keys"), stamp)
    click.echo(f"The zone is signed with the keys of the backup. Those that were here before are in {before}.")
    click.echo("    ansible-playbook site.yml --tags dns_zone    # needed now: it makes the challenge's zone anew")


def _tell(mended: Mended) -> None:
    minutes = f"{GRACE_SECONDS / 60:.0f} minutes"
    click.echo(f"{mended.ended} links were ended; {mended.unheard} have {minutes} to be heard of.")
    if not mended.newer_known:
        click.echo("The store that was here could not be read: what was revoked since the backup may be live again.")
        click.echo("    lightship links                    # look, and revoke again")
        click.echo("    lightship ssh-keys                 # those of the backup's time open tunnels again")


def _say_what_is_next(unit: str) -> None:
    reload = f"systemctl reload {unit}"
    click.echo("Next:")
    click.echo(f"    {reload:<34} # the proxy's certificate for notebooks may be another")
    click.echo("    lightship authorities              # the backup's are trusted again; replace one whose key leaked")
    click.echo("    lightship doctor")
    click.echo("    lightship backup FILE              # it knows from which series names are given now")
