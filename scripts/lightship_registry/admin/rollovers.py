"""Replaces the private authorities and the proxy's client certificate while notebooks run, as root.

The steps on the files are the service user's. Each may be repeated, so a command that was interrupted is run again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import click

from lightship_registry.admin import host, service_control, web_server
from lightship_registry.core import audit
from lightship_registry.core.clock import wall
from lightship_registry.core.errors import RegistryError
from lightship_registry.core.locks import hold_folder
from lightship_registry.core.records import Link
from lightship_registry.core.settings import Settings
from lightship_registry.links.names import is_name
from lightship_registry.pki.authorities import Authority
from lightship_registry.pki.keystore import Keystore
from lightship_registry.pki.rollover import ClientChange, LinksRollover, ProxyRollover, Rollover, Stage
from lightship_registry.store.reading import Reader

UNKNOWN = (
    "No web server of ours is known on this host. Reload the one that you use now: it reads these files only then."
)
MINUTE = 60
ROTATE_CLIENT = "lightship authorities rotate client"
GIVEN = (
    "Have the institution sign another authority, set link_registry_links_authority_chain and "
    "link_registry_links_authority_key to its files, and run: ansible-playbook site.yml --tags link_registry"
)
BEGUN = {
    "links": "New notebooks get certificates of a new authority; those that run keep theirs, and go on.",
    "proxy": "New notebooks trust a new authority of the proxy's certificate as well; those that run go on.",
}


def rotate_links(settings: Settings) -> None:
    """Sign the certificates of new notebooks with a new authority; the web server trusts both."""
    rollover = LinksRollover(settings)
    with _alone(settings):
        if rollover.is_given:
            raise RegistryError(
                f"The institution gave the authority of notebooks' certificates. {GIVEN}. Without both variables this "
                "host makes one of its own again."
            )
        _replace_links(settings, rollover, None)


def take_links(settings: Settings, given: Authority | None) -> None:
    """Have the given authority sign, or one of this host's own; nothing if it does already."""
    rollover = LinksRollover(settings)
    with _alone(settings):
        if rollover.next.exists() and not rollover.has(rollover.next, given):
            # A command for another one was interrupted, before anything was signed.
            host.as_service(settings, rollover.abandon)
        present = rollover.has(rollover.present, given)
        if rollover.old.exists() and rollover.stage is Stage.INTERRUPTED:
            _take_part(settings, rollover)
        if not present:
            _replace_links(settings, rollover, given)
        elif given and not rollover.next.exists():
            _update_above(settings, rollover, given)


def _replace_links(settings: Settings, rollover: LinksRollover, given: Authority | None) -> None:
    host.as_service(settings, lambda: _begin(settings, rollover, given))
    # Before it signs anything: no notebook may have a certificate that the web server does not trust.
    _reload(settings, undo=rollover.abandon)
    host.as_service(settings, rollover.switch)
    _take_part(settings, rollover)


def _update_above(settings: Settings, rollover: LinksRollover, given: Authority) -> None:
    before = rollover.present.read_bytes()
    host.as_service(settings, lambda: rollover.replace_above(given))
    if rollover.present.read_bytes() != before:
        service_control.restart()
        click.echo("New notebooks send the new certificates above their authority, which stays.")


def finish_links(settings: Settings, *, force: bool) -> None:
    """Trust the new authority alone."""
    rollover = LinksRollover(settings)
    with _alone(settings):
        host.as_service(settings, lambda: _require_over(settings, rollover, force=force))
        host.as_service(settings, rollover.distrust)
        _reload(settings, undo=rollover.trust_again)
        host.as_service(settings, lambda: _close(settings, rollover))
        service_control.restart()


def rotate_proxy(settings: Settings) -> None:
    """Let new notebooks trust a new authority of the proxy's certificate as well."""
    rollover = ProxyRollover(settings)
    with _alone(settings):
        host.as_service(settings, lambda: _begin(settings, rollover))
        _take_part(settings, rollover)


def finish_proxy(settings: Settings, *, force: bool) -> None:
    """Have the web server show a certificate of the new authority, and let new notebooks trust that one alone."""
    rollover, client = ProxyRollover(settings), ClientChange(settings)
    with _alone(settings):
        host.as_service(settings, lambda: _require_over(settings, rollover, force=force))
        host.as_service(settings, lambda: client.sign(rollover.next, wall()))
        _reload(settings, undo=client.put_back)
        host.as_service(settings, client.keep)
        host.as_service(settings, lambda: _close(settings, rollover))
        service_control.restart()


def rotate_client(settings: Settings) -> None:
    """Give the web server a new client certificate of the present authority."""
    client = ClientChange(settings)
    with _alone(settings):
        host.as_service(settings, lambda: client.sign(ProxyRollover(settings).present, wall()))
        _reload(settings, undo=client.put_back)
        host.as_service(settings, client.keep)
        service_control.restart()
    host.record(settings, _event("rotate-authority", "client"))
    click.echo("The proxy shows notebooks a new certificate, with a new key. They still take the one before: if its")
    click.echo("key leaked, replace its authority too: lightship authorities rotate proxy")


def rotate(rollover: Rollover) -> str:
    """The command that begins a rollover, or goes on with one that was interrupted."""
    return f"lightship authorities rotate {rollover.name}"


def finish(rollover: Rollover) -> str:
    """The command that ends it."""
    return f"lightship authorities finish {rollover.name}"


def needing(settings: Settings, rollover: Rollover) -> list[Link]:
    """The links whose notebooks need the authority that is replaced; the one that ends last first."""
    engine = host.open_store(settings)
    try:
        return Reader(engine).claimed_until(rollover.since)
    finally:
        engine.dispose()


def told(links: list[Link]) -> str:
    """How many they are, and until when."""
    needs = "needs" if len(links) == 1 else "need"
    # Rounded up to the minute, and the sweeper ends them within seconds.
    until = host.moment(links[0].expires_at + MINUTE)
    return f"{_notebooks(links)} {needs} the old authority, until {until} at the latest"


def _notebooks(links: list[Link]) -> str:
    return "1 notebook" if len(links) == 1 else f"{len(links)} notebooks"


@contextmanager
def _alone(settings: Settings) -> Iterator[None]:
    keys = Keystore(settings)
    with hold_folder(keys.folders[0]):
        host.as_service(settings, keys.settle)
        yield


def _begin(settings: Settings, rollover: Rollover, given: Authority | None = None) -> None:
    if rollover.stage is Stage.OVERLAP:
        sentence = f"The last rollover of {rollover.name} is not finished. Finish it first: {finish(rollover)}"
        raise RegistryError(sentence)
    # A store that cannot be read is better known before anything changes than at the end.
    needing(settings, rollover)
    rollover.begin(wall(), given)


def _take_part(settings: Settings, rollover: Rollover) -> None:
    service_control.restart()
    host.as_service(settings, lambda: _mark(settings, rollover))


def _mark(settings: Settings, rollover: Rollover) -> None:
    rollover.mark(wall())
    audit.record(_event("rotate-authority", rollover.name))
    click.echo(BEGUN[rollover.name])
    links = needing(settings, rollover)
    click.echo(f"{told(links)}. Then:" if links else "No notebook needs the old authority. Next:")
    click.echo(f"    {finish(rollover)}")


def _reload(settings: Settings, undo: Callable[[], None]) -> None:
    known = web_server.deployed(settings)
    try:
        if not web_server.reload(known):
            click.echo(UNKNOWN, err=True)
    except RegistryError as error:
        host.as_service(settings, undo)
        # Apache's own copy of the client certificate is made when it reloads.
        with suppress(RegistryError):
            web_server.reload(known)
        raise RegistryError(f"{error.sentence} Everything is as it was before.") from error


def _require_over(settings: Settings, rollover: Rollover, *, force: bool) -> None:
    if rollover.stage is Stage.NONE:
        raise RegistryError(f"No rollover of {rollover.name} is under way. Begin one: {rotate(rollover)}")
    if rollover.stage is Stage.INTERRUPTED:
        raise RegistryError(
            f"The rollover of {rollover.name} was interrupted. Run this again first: {rotate(rollover)}"
        )
    links = needing(settings, rollover)
    if links and not force:
        sentence = f"{told(links)}. Finish then, or now with --yes: these notebooks cannot be reached any more."
        raise RegistryError(sentence)


def _close(settings: Settings, rollover: Rollover) -> None:
    links = needing(settings, rollover)
    rollover.close()
    audit.record(_event("finish-authority", rollover.name, f", without {_notebooks(links)}" if links else ""))
    click.echo(f"The old authority of {rollover.name} is trusted no more. Backups from before hold it: make a new one.")
    if links:
        click.echo(f"{_notebooks(links)} cannot be reached any more. To end them, as root on the proxy:")
        # A damaged or forged row may have anything for a name, and people paste this line.
        click.echo(f"    lightship revoke {' '.join(link.name for link in links if is_name(link.name))}")


def _event(action: str, name: str, more: str = "") -> audit.Event:
    return audit.Event(action, "ok", reason=f"{name}{more}", by=host.who())
