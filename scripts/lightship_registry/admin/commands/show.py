"""`lightship show`: shows one link."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from lightship_registry.admin import host
from lightship_registry.admin.output import examples, json_option, print_json, print_pairs
from lightship_registry.core.errors import RegistryError
from lightship_registry.core.records import Link
from lightship_registry.core.settings import Settings
from lightship_registry.links.names import is_name
from lightship_registry.store.database import Database
from lightship_registry.store.links import LinkStore

SECRET = {"secret_sha256", "token_sha256"}
TIMES = ("created_at", "ready_at", "expires_at", "lease_until", "ended_at", "job_start", "job_seen_at")


@click.command(epilog=examples("lightship show aversion-runaround-spearman"))
@click.argument("name")
@json_option
@click.pass_obj
def show(config: Path, name: str, as_json: bool) -> None:
    """Show all about one link, but no secret."""
    loaded = host.load(config)
    host.become_service(loaded)
    link = find(LinkStore(Database(host.open_store(loaded))), name)
    data = public(loaded, link)
    if as_json:
        print_json(data)
        return
    data["route"] = "open" if data["route"] else "none"
    told = {key: host.moment(float(str(value))) if key in TIMES else str(value) for key, value in data.items()}
    print_pairs((key.replace("_", " "), text or "-") for key, text in told.items())


def find(store: LinkStore, name: str) -> Link:
    """The link; an error says that there is none."""
    link = store.find(name) if is_name(name) else None
    if link is None:
        raise RegistryError(f"There is no link {name!r}. `lightship links --all` lists them.", "no-such-link")
    return link


def public(settings: Settings, link: Link) -> dict[str, object]:
    """The link without its secrets' digests."""
    data = {key: value for key, value in asdict(link).items() if key not in SECRET}
    route = settings.folders.routes_dir / link.name
    whole = {key: int(value) if key in TIMES else value for key, value in data.items()}
    return {"name": link.name, "url": settings.origin(link.name), "route": route.exists(), **whole}
