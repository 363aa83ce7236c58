"""The doctor's checks of the private authorities and of the proxy's client certificate, as the service's user."""

from __future__ import annotations

from collections.abc import Iterator

from lightship_registry.admin import rollovers
from lightship_registry.admin.checks import Finding, note, ok, warning, wrong
from lightship_registry.core.clock import wall
from lightship_registry.core.errors import RegistryError
from lightship_registry.core.settings import Settings
from lightship_registry.pki.certificates import Seen, certificates
from lightship_registry.pki.rollover import ClientChange, LinksRollover, ProxyRollover, Rollover, Stage

# The fewest days that they should be valid; they are made for ten years.
DAYS = 90


def lifetimes(settings: Settings) -> Iterator[Finding]:
    """Check for how many days they are valid."""
    now = wall()
    try:
        links, proxy, client = certificates(settings)
    except RegistryError as error:
        yield wrong(error.sentence, "Restore it, or run site.yml.")
        return
    rollover = LinksRollover(settings)
    yield _lifetime(links, now, f"{rollovers.GIVEN}." if rollover.is_given else _remedy(rollover))
    yield _lifetime(proxy, now, _remedy(ProxyRollover(settings)))
    # The client certificate ends with its authority: another one of the same would end then too.
    alone = client.ends < proxy.ends
    yield _lifetime(client, now, rollovers.ROTATE_CLIENT if alone else _remedy(ProxyRollover(settings)))


def unfinished(settings: Settings) -> Iterator[Finding]:
    """Tell of a rollover that was begun, and what its next step is."""
    for rollover in (LinksRollover(settings), ProxyRollover(settings)):
        if rollover.stage is not Stage.NONE:
            yield _progress(settings, rollover)
    if ClientChange(settings).old.exists():
        yield warning("the change of the proxy's client certificate was interrupted", rollovers.ROTATE_CLIENT)


def _progress(settings: Settings, rollover: Rollover) -> Finding:
    if rollover.stage is Stage.INTERRUPTED:
        return warning(f"the rollover of {rollover.name} was interrupted", _remedy(rollover))
    try:
        links = rollovers.needing(settings, rollover)
    except RegistryError:
        return note(f"a rollover of {rollover.name} is not finished", _remedy(rollover))  # `store` says what is wrong
    if links:
        return note(f"a rollover of {rollover.name}: {rollovers.told(links)}", f"From then on: {_remedy(rollover)}")
    return note(f"a rollover of {rollover.name} can be finished", _remedy(rollover))


def _lifetime(seen: Seen, now: float, remedy: str) -> Finding:
    days = seen.days(now)
    said = f"{seen.path.name} lasts {days} days"
    if days >= DAYS:
        return ok(said)
    return wrong(said, remedy) if seen.ends <= now else warning(said, remedy)


def _remedy(rollover: Rollover) -> str:
    return rollovers.finish(rollover) if rollover.stage is Stage.OVERLAP else rollovers.rotate(rollover)
