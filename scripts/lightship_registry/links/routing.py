"""The state that a link shares with its route: both change under one lock, and an end cuts what is open."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager

from lightship_protocol.states import ENDED
from lightship_registry.core import audit
from lightship_registry.core.clock import Clock
from lightship_registry.core.locks import SharedLock
from lightship_registry.core.observer import Observer
from lightship_registry.core.records import Ending, Link
from lightship_registry.links.cuts import Cuts
from lightship_registry.links.routes import Routes
from lightship_registry.store.links import LinkStore


class Routing:
    """Opens routes, closes them, and orders cuts. Its callers hold the lock, except for `shut`."""

    def __init__(
        self,
        store: LinkStore,
        lock: SharedLock,
        routes: Routes,
        cuts: Cuts,
        rest_seconds: float,
        clock: Clock,
        observer: Observer,
    ) -> None:
        self._store = store
        self._lock = lock
        self._routes = routes
        self._cuts = cuts
        self._rest_seconds = rest_seconds
        self._clock = clock
        self._observer = observer
        # Names whose routes stay closed, although the store may not know yet that the links ended.
        self._shut: set[str] = set()

    def hold(self) -> AbstractContextManager[None]:
        """Hold the lock that everyone holds who changes a link's state and its route.

        The folder follows the store, never the reverse. Processes share the lock: an administrator's command ends
        links while the service publishes others.
        """
        return self._lock.hold()

    def open(self, link: Link, target: str) -> None:
        """Write the route of a link that the store has just published."""
        self._routes.write(link.name, link.interface.route(target))
        # Read afterwards: `shut` does not wait for the lock.
        if self.is_shut(link.name):
            self._routes.remove(link.name)

    def shut(self, name: str) -> None:
        """Close a route at once, without the lock. The caller ends the link next, however long the store takes."""
        self._shut.add(name)
        self._routes.remove(name)

    def is_shut(self, name: str) -> bool:
        """Whether the route must stay closed, whatever the store says."""
        return name in self._shut

    def close(self, name: str) -> None:
        """Remove the route of a link that has ended in the store."""
        self._routes.remove(name)
        self._shut.discard(name)

    def close_all(self, names: Iterable[str], ending: Ending) -> None:
        """Remove the routes of links that the service ended, cut what is open, and record each end."""
        for name in names:
            self._routes.remove(name)
            link = self._store.get(name)
            self.cut(link)
            action = link.interface.end_action
            audit.record(audit.Event(action, "ok", link.cluster, link.user, name, "", link.target, ending.cause))
            self._observer.ended(link.cluster, ending.cause)

    def cut(self, link: Link) -> None:
        """Order the cut of what is open to an ended link's target: after its route closed, while the target rests.

        A link that only missed a heartbeat has not ended: its connections stay, and its next heartbeat opens the route.
        """
        if link.state != ENDED or not link.target or self._clock() - link.ended_at > self._rest_seconds:
            return
        try:
            self._cuts.order(link.name, link.target)
        except OSError as error:
            audit.problem(f"The open connections of {link.name} to {link.target} cannot be cut: {error}.")
