"""`lightship authorities`: shows and replaces the certificates that notebooks and proxy trust."""

from __future__ import annotations

from pathlib import Path
from typing import TextIO

import click

from lightship_registry.admin import host, rollovers
from lightship_registry.admin.output import examples, json_option, print_json, print_pairs
from lightship_registry.core.clock import wall
from lightship_registry.core.settings import Settings
from lightship_registry.pki.authorities import given_authority
from lightship_registry.pki.certificates import certificates, replaced

ROTATE = {"links": rollovers.rotate_links, "proxy": rollovers.rotate_proxy, "client": rollovers.rotate_client}
FINISH = {"links": rollovers.finish_links, "proxy": rollovers.finish_proxy}


@click.group(
    invoke_without_command=True,
    epilog=examples(
        "lightship authorities                 what there is, and for how long",
        "lightship authorities rotate links    new notebooks get certificates of a new authority",
        "lightship authorities finish links    the old one is trusted no more",
    ),
)
@json_option
@click.pass_context
def authorities(context: click.Context, as_json: bool) -> None:
    """Show both private authorities and the proxy's client certificate, with the days that are left.

    The subcommands replace them, while notebooks run.
    """
    if context.invoked_subcommand is None:
        _show(host.load(context.obj), as_json=as_json)


@authorities.command()
@click.argument("what", type=click.Choice(tuple(ROTATE)))
@click.pass_obj
def rotate(config: Path, what: str) -> None:
    """Begin to replace one; notebooks that run go on.

    `links` signs notebooks' certificates, and `proxy` the proxy's; finish both later. `client` is the proxy's own
    certificate, and is replaced at once. The service restarts, and the web server reads its files again.
    """
    ROTATE[what](_load(config))


@authorities.command()
@click.argument("what", type=click.Choice(("links",)))
@click.option(
    "--given", type=click.File(), help="Its certificate, those above it, and its key, in PEM; - for standard input."
)
@click.option("--own", is_flag=True, help="One that this host makes itself.")
@click.pass_obj
def take(config: Path, what: str, given: TextIO | None, own: bool) -> None:  # noqa: ARG001  there is one
    """Have another authority sign, unless it does already; the playbook runs this.

    An institution may give the authority of notebooks' certificates. It comes in as with `rotate`, and is finished
    likewise.
    """
    if own is (given is not None):
        raise click.UsageError("Say either --given FILE or --own.")
    loaded = _load(config)
    rollovers.take_links(loaded, given_authority(given.read()) if given else None)


@authorities.command()
@click.argument("what", type=click.Choice(tuple(FINISH)))
@click.option("--yes", is_flag=True, help="Now, though notebooks need the old one: they cannot be reached any more.")
@click.pass_obj
def finish(config: Path, what: str, yes: bool) -> None:
    """Trust the new authority alone.

    It is refused while notebooks need the old one.
    """
    FINISH[what](_load(config), force=yes)


def _load(config: Path) -> Settings:
    loaded = host.load(config)
    host.require_root(loaded)
    return loaded


def _show(loaded: Settings, *, as_json: bool) -> None:
    host.become_service(loaded)
    now = wall()
    data = [
        {
            "use": seen.use,
            "file": str(seen.path),
            "subject": seen.subject,
            "sha256": seen.sha256,
            "days_left": seen.days(now),
            "ends": int(seen.ends),
        }
        for seen in (*certificates(loaded), *replaced(loaded))
    ]
    if as_json:
        print_json(data)
        return
    for number, one in enumerate(data):
        if number:
            click.echo()
        print_pairs((key.replace("_", " "), str(value)) for key, value in one.items() if key != "ends")
