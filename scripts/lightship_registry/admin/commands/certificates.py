"""`lightship certificates`: shows the certificate that browsers see, renews it at once, and revokes earlier ones."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from lightship_registry.admin import host, web_checks, web_server
from lightship_registry.admin.checks import WRONG
from lightship_registry.admin.output import examples, json_option, print_json, print_table
from lightship_registry.admin.public_certificate import LEAKED, REASONS, PublicCertificate, Version
from lightship_registry.core import audit
from lightship_registry.core.clock import wall
from lightship_registry.core.errors import RegistryError
from lightship_registry.core.settings import Settings
from lightship_registry.pki.certificates import DAY

reason_option = click.option(
    "--reason",
    type=click.Choice(list(REASONS)),
    default=LEAKED,
    show_default=True,
    help="What the authority is told, and publishes.",
)
yes_option = click.option("--yes", is_flag=True, help="Do not ask.")


@click.group(
    invoke_without_command=True,
    epilog=examples(
        "lightship certificates                          what is in place, and what is valid beside it",
        "lightship certificates renew                    a new key and certificate, now",
        "lightship certificates renew --revoke-earlier   the key leaked: then revoke the earlier ones",
        "lightship certificates revoke                   revoke what that could not",
    ),
)
@json_option
@click.pass_context
def certificates(context: click.Context, as_json: bool) -> None:
    """Show the public certificate, renew it, and revoke earlier ones.

    The web server is reloaded, which drops no connection but HTTP/3's, and checked to present the new certificate.
    """
    if context.invoked_subcommand:
        return
    public = _open(context.obj)[1]
    now = wall()
    versions = [*public.earlier(now), public.present()]
    if as_json:
        print_json([_public(each, now) for each in versions])
        return
    rows = [
        (str(each.number), each.serial, f"{(each.ends - now) / DAY:.1f}", host.moment(each.ends)) for each in versions
    ]
    print_table(("VERSION", "SERIAL", "DAYS LEFT", "ENDS"), rows)
    click.echo(f"Version {versions[-1].number} is in place for {public.domain} and *.{public.domain}.")


@certificates.command()
@click.option("--revoke-earlier", is_flag=True, help="Afterwards, revoke the earlier ones, and delete their keys.")
@reason_option
@yes_option
@click.pass_obj
def renew(config: Path, revoke_earlier: bool, reason: str, yes: bool) -> None:
    """Get a certificate with a new key now, and have the web server present it.

    Authorities limit how often: Let's Encrypt issues five a week for the same names.
    """
    loaded, public = _open(config)
    public.require_certbot()
    _require_sound(loaded)
    earlier = [*public.earlier(wall()), public.present()] if revoke_earlier else []
    if earlier and not yes:
        click.confirm(
            f"Get a new certificate for {public.domain}, then revoke {_listed(earlier)}?", abort=True, err=True
        )
    click.echo("Asking the authority for a certificate with a new key; that may take a minute ...", err=True)
    new = public.renew()
    _record(loaded, "certificate-renew", new.serial)
    click.echo(
        f"{public.domain}: certificate {new.number} ({new.serial}) with a new key is presented, "
        f"until {host.moment(new.ends)}."
    )
    if revoke_earlier:
        _revoke(loaded, public, earlier, reason)


@certificates.command()
@reason_option
@yes_option
@click.pass_obj
def revoke(config: Path, reason: str, yes: bool) -> None:
    """Revoke the earlier certificates that have not expired, and delete their keys.

    The one in place stays: to replace it first, run `lightship certificates renew --revoke-earlier`.
    """
    loaded, public = _open(config)
    public.require_certbot()
    earlier = public.earlier(wall())
    if not earlier:
        click.echo(f"{public.domain} has no earlier certificate that is valid. Nothing was revoked.")
        return
    if not yes:
        click.confirm(f"Revoke {_listed(earlier)} of {public.domain}?", abort=True, err=True)
    # Otherwise browsers would be shown a revoked one.
    public.prove()
    _revoke(loaded, public, earlier, reason)


def _open(config: Path) -> tuple[Settings, PublicCertificate]:
    loaded = host.load(config)
    host.require_root(loaded)
    return loaded, PublicCertificate(web_server.deployed(loaded))


def _require_sound(loaded: Settings) -> None:
    """Refuse before the authority is asked, if the web server could not take over what it issues."""
    for finding in web_checks.web_server(loaded):
        if finding.level == WRONG:
            raise RegistryError(f"Nothing was changed: {finding.what}. Do this first: {finding.remedy}")


def _revoke(loaded: Settings, public: PublicCertificate, earlier: Sequence[Version], reason: str) -> None:
    failures = []
    for version in earlier:
        try:
            public.revoke(version, reason)
        except RegistryError as error:
            failures.append(error.sentence)
            continue
        _record(loaded, "certificate-revoke", f"{version.serial} {reason}")
        click.echo(
            f"Revoked, {reason}: certificate {version.number} ({version.serial}). Its key is deleted from this host."
        )
    for file in public.unreadable():
        click.echo(
            f"{file} cannot be read, and was not revoked. Look for it: https://crt.sh/?q={public.domain}", err=True
        )
    if failures:
        again = "Try again later: lightship certificates revoke"
        raise RegistryError("\n".join([*failures, again]))


def _record(loaded: Settings, action: str, reason: str) -> None:
    host.record(loaded, audit.Event(action, "ok", reason=reason, by=host.who()))


def _listed(versions: Sequence[Version]) -> str:
    return "certificate " + ", ".join(f"{each.number} ({each.serial})" for each in versions)


def _public(version: Version, now: float) -> dict[str, object]:
    return {
        "version": version.number,
        "serial": version.serial,
        "days_left": round((version.ends - now) / DAY, 1),
        "ends": int(version.ends),
        "file": str(version.file("fullchain")),
    }
