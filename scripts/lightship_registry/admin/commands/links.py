"""`lightship links`: lists links."""

from __future__ import annotations

from pathlib import Path

import click

from lightship_protocol.states import ENDED, READY, WAITING
from lightship_registry.admin import host
from lightship_registry.admin.commands.show import public
from lightship_registry.admin.output import examples, json_option, print_json, print_table
from lightship_registry.core.clock import wall
from lightship_registry.core.records import LIVE, Link
from lightship_registry.store.reading import Reader

MOST = 500
ALL = 10**9


@click.command(
    epilog=examples(
        "lightship links --user alice --all    what alice had and has",
        "lightship links --state waiting       whose jobs are in the queue",
        "lightship links --json | jq '.[].target'",
    )
)
@click.option(
    "--state", "states", multiple=True, type=click.Choice([*LIVE, ENDED]), help="Only these; may be repeated."
)
@click.option("--cluster", default="", metavar="C", help="Only links of this cluster.")
@click.option("--user", default="", metavar="U", help="Only links of this user.")
@click.option("--all", "everything", is_flag=True, help="Ended ones too.")
@click.option(
    "--limit", type=click.IntRange(1), metavar="N", help=f"At most so many, the newest: {MOST} in a table, all in JSON."
)
@json_option
@click.pass_obj
def links(
    config: Path, states: tuple[str, ...], cluster: str, user: str, everything: bool, limit: int | None, as_json: bool
) -> None:
    """List the links that are live, newest first."""
    loaded = host.load(config)
    host.become_service(loaded)
    wanted = states or ((*LIVE, ENDED) if everything else LIVE)
    # A program would not notice missing links.
    limit = limit or (ALL if as_json else MOST)
    found = Reader(host.open_store(loaded)).links(wanted, cluster, user, limit + 1)
    shown, now = found[:limit], wall()
    if as_json:
        print_json([public(loaded, link) for link in shown])
        return
    if not shown:
        click.echo("There is no such link." if (cluster or user or states) else "No link is live.")
        return
    print_table(("NAME", "STATE", "USER", "CLUSTER", "TIME"), [_row(link, now) for link in shown])
    if len(found) > limit:
        click.echo(f"There are more than these {limit}; --limit shows them.")


def _row(link: Link, now: float) -> tuple[str, ...]:
    if link.state == ENDED:
        left = f"{link.cause}, {host.span(now - link.ended_at)} ago"
    elif link.state == WAITING:
        left = f"since {host.span(now - link.created_at)}"
    else:
        left = f"{host.span(link.expires_at - now)} left"
        if link.state == READY and link.lease_until <= now:
            left += f", silent for {host.span(now - link.lease_until)}"
    return link.name, link.state, link.user, link.cluster, left
