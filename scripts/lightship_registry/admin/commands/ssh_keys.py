"""`lightship ssh-keys`: lists and removes the keys with which users' machines open tunnels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from lightship_registry.admin import host
from lightship_registry.admin.output import examples, json_option, print_json, print_table
from lightship_registry.core import audit
from lightship_registry.core.clock import wall
from lightship_registry.core.errors import RegistryError
from lightship_registry.store.database import Database
from lightship_registry.store.ssh_keys import KeptKey
from lightship_registry.tunnels.tunnels import Tunnels

ACCOUNT = "lightship-tunnel"


@click.command(
    epilog=examples(
        "lightship ssh-keys",
        "lightship ssh-keys --user alice --remove",
        "lightship ssh-keys --key SHA256:9wHJxTqG... --remove --yes",
    )
)
@click.option("--cluster", default="", metavar="C", help="Only keys of this cluster's users.")
@click.option("--user", default="", metavar="U", help="Only keys of this user.")
@click.option("--key", "fingerprint", default="", metavar="SHA256:...", help="Only this one, whoever's it is.")
@click.option("--remove", is_flag=True, help="Remove them: they open no tunnel any more.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@click.pass_obj
def ssh_keys(config: Path, cluster: str, user: str, fingerprint: str, remove: bool, yes: bool, as_json: bool) -> None:
    """List the keys that users gave for their tunnels, and where these may listen.

    Users do this themselves with `start-jupyter keys`. Who may listen where is said by [[tunnels]] in the settings.
    """
    if remove and not (cluster or user or fingerprint):
        raise click.UsageError("Say which to remove: --user, --cluster or --key.")
    if remove and as_json and not yes:
        raise click.UsageError("A program cannot be asked: give --yes with --json.")
    loaded = host.load(config)
    host.become_service(loaded)
    database = Database(host.open_store(loaded))
    tunnels = Tunnels(loaded, database, wall)
    found = [key for key in tunnels.kept(cluster, user) if fingerprint in ("", key.fingerprint)]
    if fingerprint and not found:
        raise RegistryError(f"There is no key {fingerprint!r}. `lightship ssh-keys` lists them.", "no-such-key")
    if as_json:
        print_json([_public(tunnels, key) for key in found])
    elif found:
        heads = ("KEY", "USER", "CLUSTER", "MAY LISTEN AT", "COMMENT", "ADDED")
        print_table(heads, [_row(tunnels, key) for key in found])
    else:
        click.echo("There is no such key." if (cluster or user) else "No user has given a key.")
    if remove and found:
        _remove(tunnels, found, yes=yes)
        if not database.settle():
            click.echo(host.NOT_SETTLED, err=True)


def _remove(tunnels: Tunnels, found: Sequence[KeptKey], *, yes: bool) -> None:
    count = f"{len(found)} {'key' if len(found) == 1 else 'keys'}"
    if not yes:
        click.confirm(f"Remove {count}?", abort=True, err=True)
    for key in found:
        # If its owner removes it at this moment, it is the owner's doing.
        if not tunnels.remove(key.owner, key.fingerprint):
            continue
        audit.record(audit.Event("key-remove", "ok", key.cluster, key.user, reason=key.fingerprint, by=host.who()))
    account = tunnels.destination.partition("@")[0] or ACCOUNT
    click.echo(f"{count} removed. Tunnels that are open stay open; to end all: pkill -u {account}", err=True)


def _public(tunnels: Tunnels, key: KeptKey) -> dict[str, object]:
    return {
        "fingerprint": key.fingerprint,
        "cluster": key.cluster,
        "user": key.user,
        "listen": tunnels.listen_addresses(key.owner),
        "key": key.key,
        "comment": key.comment,
        "added_at": int(key.added_at),
    }


def _row(tunnels: Tunnels, key: KeptKey) -> tuple[str, ...]:
    addresses = ", ".join(tunnels.listen_addresses(key.owner)) or "nowhere"
    return key.fingerprint, key.user, key.cluster, addresses, key.comment, host.moment(key.added_at)
