"""`lightship revoke`: ends links against their owners' will."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from lightship_protocol import limits
from lightship_protocol.states import ENDED
from lightship_registry.admin import host
from lightship_registry.admin.commands.show import find
from lightship_registry.admin.output import examples, json_option, print_json, print_table
from lightship_registry.core import audit, fields
from lightship_registry.core.records import LIVE, Cause, Ending, Link
from lightship_registry.links.lifecycle import Links
from lightship_registry.store.reading import Reader

REASON = "Revoked by an administrator."
SHOWN = 20
# Somebody may make links as fast as they are ended. Then the cluster's key must be revoked.
ROUNDS = 5


@click.command(
    epilog=examples(
        'lightship revoke aversion-runaround-spearman --reason "Please call us."',
        "lightship revoke --user alice --cluster demo",
        "lightship revoke --cluster demo --yes",
        "lightship revoke --everything",
    )
)
@click.argument("names", nargs=-1)
@click.option("--user", default="", metavar="U", help="All links of this user, of all clusters or of --cluster.")
@click.option("--cluster", default="", metavar="C", help="All links of this cluster, or those of --user there.")
@click.option("--everything", is_flag=True, help="All links.")
@click.option("--reason", default=REASON, show_default=True, metavar="TEXT", help="What the owner is told.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@click.pass_obj
def revoke(
    config: Path,
    names: tuple[str, ...],
    user: str,
    cluster: str,
    everything: bool,
    reason: str,
    yes: bool,
    as_json: bool,
) -> None:
    """End links now, against their owners' will.

    Their addresses stop working at once, what is open is cut within seconds, and Jupyter stops at its next heartbeat.
    """
    if sum((bool(names), bool(user or cluster), everything)) != 1:
        raise click.UsageError("Name links, or give --user, --cluster or --everything: exactly one of these.")
    if as_json and not yes:
        raise click.UsageError("A program cannot be asked: give --yes with --json.")
    loaded = host.load(config)
    ending = Ending(Cause.REVOKED, fields.note({"reason": reason}, "reason", limits.REASON) or REASON)
    host.become_service(loaded)
    database, parts = host.open_links(loaded)
    reader = Reader(database.engine)
    chosen = [find(parts.store, name) for name in dict.fromkeys(names)] if names else reader.links(LIVE, cluster, user)
    live = [link for link in chosen if link.state != ENDED]
    if live and not yes:
        _ask(live)
    ended: list[str] = []
    for _ in range(ROUNDS):
        ended += _end(parts.links, live, ending)
        live = [] if names else reader.links(LIVE, cluster, user)
        if not live:
            break
    if ended and not database.settle():
        click.echo(host.NOT_SETTLED, err=True)
    if as_json:
        print_json({"revoked": ended, "left": [link.name for link in live]})
    else:
        click.echo(f"{len(ended)} {'link' if len(ended) == 1 else 'links'} revoked.")
        if live:
            click.echo(f"{len(live)} were made meanwhile. Refuse new ones: lightship keys revoke CLUSTER")


def _end(links: Links, live: Sequence[Link], ending: Ending) -> list[str]:
    ended = []
    for link in live:
        now = links.end(link, ending)
        # It may have ended by itself since it was listed: then the first ending stays.
        done = now.cause == Cause.REVOKED
        audit.record(
            audit.Event(
                "revoke",
                "ok" if done else "had-ended",
                link.cluster,
                link.user,
                link.name,
                target=now.target,
                reason=ending.reason,
                by=host.who(),
            )
        )
        ended += [link.name] if done else []
    return ended


def _ask(live: Sequence[Link]) -> None:
    print_table(("NAME", "STATE", "USER", "CLUSTER"), [(a.name, a.state, a.user, a.cluster) for a in live[:SHOWN]])
    more = f" ({len(live) - SHOWN} more are not shown)" if len(live) > SHOWN else ""
    click.confirm(f"End {len(live)} {'link' if len(live) == 1 else 'links'}{more}?", abort=True, err=True)
