"""`lightship keys`: rotates and revokes the keys of clusters. No key is ever printed."""

from __future__ import annotations

from pathlib import Path

import click

from lightship_registry.admin import host
from lightship_registry.admin.cluster_keys import ClusterKeys, keys_of
from lightship_registry.admin.output import examples, json_option, print_json, print_table
from lightship_registry.core import audit
from lightship_registry.core.clock import wall
from lightship_registry.core.errors import RegistryError
from lightship_registry.core.settings import Settings

HOUR = 3600
LONGEST_OVERLAP = 24 * 31


@click.group(
    epilog=examples(
        "lightship keys rotate demo        a new key; the old one counts for a day more",
        "lightship keys revoke demo        a login node was broken into: refuse it now",
        "lightship keys show-fingerprint   compare: sha256sum /etc/lightship/cluster.key",
    )
)
def keys() -> None:
    """Rotate and revoke the keys of clusters; none is ever shown."""


@keys.command()
@click.argument("cluster")
@click.option(
    "--overlap",
    type=click.IntRange(0, LONGEST_OVERLAP),
    default=24,
    show_default=True,
    metavar="HOURS",
    help="How long the old key counts too; 0 ends it now.",
)
@click.pass_obj
def rotate(config: Path, cluster: str, overlap: int) -> None:
    """Make a new key for a cluster.

    Nothing is restarted, and the old key counts too until the overlap ends. Within it, take the new one to the login
    nodes with the playbook clusters.yml.
    """
    loaded = _load(config)
    pair = _keys_of(loaded, cluster)
    now = wall()
    until = pair.old_until(now)
    if until and overlap:
        raise RegistryError(
            f"The key before the last rotation counts until {host.moment(until)}, and a login node may still have it. "
            f"Run clusters.yml, which brings the present one there, and `lightship keys finish {cluster}`, then this "
            "again. Or make only the new key count from now on: --overlap 0."
        )
    pair.rotate(now, overlap * HOUR)
    host.record(loaded, audit.Event("rotate-key", "ok", cluster, reason=f"overlap {overlap} h", by=host.who()))
    click.echo(f"Cluster {cluster} has a new key, sha256 {pair.fingerprint()}")
    until = pair.old_until(now)
    counts = f"The old key counts until {host.moment(until)}." if until else "The old key counts no more."
    click.echo(f"{counts} Next, on the control machine, take the new one to the login nodes:")
    click.echo("    ansible-playbook clusters.yml --tags cluster_tools")


@keys.command()
@click.argument("cluster")
@click.pass_obj
def finish(config: Path, cluster: str) -> None:
    """End a cluster's old key now, before its overlap ends.

    Every login node must have the new one by then: rotate_certificates.yml sees to that.
    """
    loaded = _load(config)
    ended = _keys_of(loaded, cluster).end_old()
    host.record(loaded, audit.Event("finish-key", "ok" if ended else "had-none", cluster, by=host.who()))
    click.echo(f"The old key of cluster {cluster} counts no more." if ended else f"Cluster {cluster} has no old key.")


@keys.command()
@click.argument("cluster")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def revoke(config: Path, cluster: str, yes: bool) -> None:
    """Remove a cluster's keys.

    Whatever its login nodes ask is refused from now on. Notebooks that run go on: they have secrets of their own.
    """
    loaded = _load(config)
    pair = _keys_of(loaded, cluster)
    if not yes:
        click.confirm(f"Refuse all requests of cluster {cluster}?", abort=True, err=True)
    had = pair.revoke()
    host.record(loaded, audit.Event("revoke-key", "ok" if had else "had-none", cluster, by=host.who()))
    click.echo(f"Cluster {cluster} {'has no key any more' if had else 'had no key'}. Its login nodes are refused.")
    click.echo(f"To end its links too:     lightship revoke --cluster {cluster}")
    click.echo("To give it a new key, on the control machine:     ansible-playbook site.yml")


@keys.command("show-fingerprint")
@click.argument("cluster", required=False)
@json_option
@click.pass_obj
def show_fingerprint(config: Path, cluster: str | None, as_json: bool) -> None:
    """Show the SHA-256 of the key files.

    It must be what `sha256sum /etc/lightship/cluster.key` says on the cluster's login nodes.
    """
    loaded = _load(config)
    names = [cluster] if cluster else sorted(loaded.clusters)
    prints = {name: keys_of(loaded, name).fingerprint() for name in names}
    if as_json:
        print_json(prints)
    else:
        print_table(("CLUSTER", "SHA256"), [(name, print_ or "no key") for name, print_ in prints.items()])


def _load(config: Path) -> Settings:
    loaded = host.load(config)
    host.require_root(loaded)
    return loaded


def _keys_of(loaded: Settings, cluster: str) -> ClusterKeys:
    return keys_of(loaded, cluster, host.owner_of(loaded).st_gid)
