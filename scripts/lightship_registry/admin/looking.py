"""`lightship links` and `lightship show`: who has what."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from lightship_registry.admin import host
from lightship_registry.admin.output import examples, json_option, print_json, print_pairs, print_table
from lightship_registry.admin.reading import Reader
from lightship_registry.clock import wall
from lightship_registry.errors import RegistryError
from lightship_registry.names import is_name
from lightship_registry.records import ENDED, LIVE, READY, WAITING, Link
from lightship_registry.settings import Settings
from lightship_registry.store import Store

MOST = 500
ALL = 10**9
SECRET = {"secret_sha256", "token_sha256"}
TIMES = ("created_at", "ready_at", "expires_at", "lease_until", "ended_at", "job_start", "job_seen_at")


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
    # A program would not notice what is missing.
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


@click.command(epilog=examples("lightship show aversion-runaround-spearman"))
@click.argument("name")
@json_option
@click.pass_obj
def show(config: Path, name: str, as_json: bool) -> None:
    """Show all about one link, but no secret."""
    loaded = host.load(config)
    host.become_service(loaded)
    link = find(Store(host.open_store(loaded)), name)
    data = public(loaded, link)
    if as_json:
        print_json(data)
        return
    data["route"] = "open" if data["route"] else "none"
    told = {key: host.moment(float(str(value))) if key in TIMES else str(value) for key, value in data.items()}
    print_pairs((key.replace("_", " "), text or "-") for key, text in told.items())


def find(store: Store, name: str) -> Link:
    """The link, or a sentence."""
    link = store.find(name) if is_name(name) else None
    if link is None:
        raise RegistryError(f"There is no link {name!r}. `lightship links --all` lists them.", "no-such-link")
    return link


def public(settings: Settings, link: Link) -> dict[str, object]:
    """Everything but what could help somebody to pass as the link's owner."""
    data = {key: value for key, value in asdict(link).items() if key not in SECRET}
    route = settings.folders.routes_dir / link.name
    whole = {key: int(value) if key in TIMES else value for key, value in data.items()}
    return {"name": link.name, "url": settings.origin(link.name), "route": route.exists(), **whole}


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
