"""`lightship clusters`: the clusters that may have links here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from lightship_registry.admin import host
from lightship_registry.admin.cluster_keys import keys_of
from lightship_registry.admin.output import json_option, print_json, print_table
from lightship_registry.core.clock import wall
from lightship_registry.store.reading import Reader


@click.command()
@json_option
@click.pass_obj
def clusters(config: Path, as_json: bool) -> None:
    """List the clusters: networks, keys, live links, and when the last link was made."""
    loaded = host.load(config)
    host.become_service(loaded)
    counted, now = Reader(host.open_store(loaded)).clusters(), wall()
    found = []
    for name in sorted(loaded.clusters):
        pair, (live, last) = keys_of(loaded, name), counted.get(name, (0, 0.0))
        found.append(
            {
                "name": name,
                "networks": [str(network) for network in loaded.clusters[name]],
                "key": bool(pair.fingerprint()),
                "old_key_until": pair.old_until(now),
                "live": live,
                "last_created": int(last),
            }
        )
    if as_json:
        print_json(found)
        return
    print_table(("CLUSTER", "NETWORKS", "KEY", "LIVE", "LAST LINK"), [_row(cluster) for cluster in found])
    for name in sorted(counted.keys() - loaded.clusters.keys()):
        if counted[name][0]:
            click.echo(f"{name} is no cluster any more and has live links: lightship revoke --cluster {name}")


def _row(cluster: dict[str, Any]) -> tuple[str, ...]:
    until = cluster["old_key_until"]
    key = "yes" if cluster["key"] else "none"
    key += f", the old one until {host.moment(until)}" if until else ""
    return (
        cluster["name"],
        "\n".join(cluster["networks"]),
        key,
        str(cluster["live"]),
        host.moment(cluster["last_created"]),
    )
