"""How a link gets its target and its route, and which targets it may have."""

from __future__ import annotations

from collections.abc import Collection

from lightship_protocol.states import READY
from lightship_registry.core import errors
from lightship_registry.core.clock import Clock
from lightship_registry.core.errors import RegistryError
from lightship_registry.core.observer import Observer
from lightship_registry.core.records import Cause, Ending, Link
from lightship_registry.core.settings import Settings
from lightship_registry.links import targets
from lightship_registry.links.lifecycle import require_claimed
from lightship_registry.links.probe import Expected
from lightship_registry.links.routes import Routing
from lightship_registry.store.links import LinkStore
from lightship_registry.store.satellite import Announced, SatelliteStore

SUPERSEDED = Ending(Cause.ENDED, "A later job on its node named the same port.")


class Publisher:
    """Checks targets, and opens the routes to them."""

    def __init__(
        self,
        settings: Settings,
        store: LinkStore,
        satellite: SatelliteStore,
        routing: Routing,
        peers: targets.Peers,
        rest_seconds: float,
        clock: Clock,
        observer: Observer,
    ) -> None:
        self._settings = settings
        self._store = store
        self._satellite = satellite
        self._routing = routing
        self._peers = peers
        self._rest_seconds = rest_seconds
        self._clock = clock
        self._observer = observer

    def expected(self, link: Link, address: targets.Address, port: int) -> Expected:
        """Check a target as far as that needs no connection; the certificate that the probe must find there."""
        require_claimed(link)
        targets.require_port(port)
        targets.require_allowed(self._settings, link.cluster, address)
        target = targets.target_of(address, port)
        if link.state == READY and link.target != target:
            raise errors.conflict(f"This link's notebook is at {link.target} already.", "target-set")
        self.require_free(link, address, port)
        return Expected(self._settings.host(link.name), link.certificate_sha256)

    def require_free(
        self, link: Link, address: targets.Address, port: int, but_for: Collection[targets.Endpoint] = ()
    ) -> None:
        """Refuse a target to which connections from an earlier link's time are open.

        Call it before the probe, which connects. The caller names its own connections by this host's ends.
        """
        target = targets.target_of(address, port)
        if self._store.had_target(link.name, target) and self._peers.has(address, port, but_for):
            raise _resting(target)

    def announce(self, link: Link, target: str) -> None:
        """Note where a Satellite link's notebook will listen. Older links that announced the same target end."""
        now = self._clock()
        with self._routing.hold():
            done, older = self._satellite.announce(link, target, SUPERSEDED, now, int(now) + link.seconds)
            self._routing.close_all(older, SUPERSEDED)
        if done is Announced.TAKEN:
            raise errors.conflict(
                f"{target} is another link's notebook. Let yours listen on another port.", "target-taken"
            )
        if done is Announced.USED:
            raise errors.conflict("That token was redeemed already. Each serves once.", "already-claimed")

    def rests_for(self, target: str) -> float:
        """How many more seconds the target is closed to other links."""
        return self._satellite.rests_until(target, self._rest_seconds) - self._clock()

    def publish(self, link: Link, target: str) -> Link:
        """Open the route to a target that was probed."""
        now = self._clock()
        lease, rested = now + self._settings.lease_seconds, now - self._rest_seconds
        with self._routing.hold():
            published = self._store.publish(link.name, target, now, lease, rested)
            if published is None:
                require_claimed(self._store.get(link.name))
                raise _resting(target)
            self._routing.open(link, target)
        # A job asks again if the answer was lost: the first time counts.
        if published.ready_at == now:
            self._observer.ready(link.cluster, now - (link.expires_at - link.seconds))
        return published


def _resting(target: str) -> RegistryError:
    sentence = f"{target} is another link's, or was until lately. Let the notebook listen on another port."
    return errors.conflict(sentence, "target-taken")
