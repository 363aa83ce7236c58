"""Routes: the files that the web server reads, and the lock under which they change with the links' states."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path

from lightship_protocol.states import ENDED
from lightship_registry.core import audit
from lightship_registry.core.clock import Clock
from lightship_registry.core.errors import RegistryError
from lightship_registry.core.files import write_beside
from lightship_registry.core.locks import SharedLock
from lightship_registry.core.observer import Observer
from lightship_registry.core.records import Ending, Link, is_whole
from lightship_registry.links.cuts import Cuts
from lightship_registry.links.names import is_name
from lightship_registry.store.links import LinkStore


class Routes:
    """One small file per live link, named like it, that holds the URL of its target."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def require_folder(self) -> None:
        """Fail at the start of the service, not at the first link, if the folder is missing."""
        if not self._folder.is_dir():
            raise RegistryError(f"The folder {self._folder} is missing. systemd-tmpfiles --create makes it.")

    def write(self, name: str, route: str) -> None:
        """Write the route at once: a reader sees the old file or the new one."""
        write_beside(self._folder / name, _content(route), 0o640)

    def remove(self, name: str) -> None:
        """Remove the route, if there is one."""
        (self._folder / name).unlink(missing_ok=True)

    def restore(self, live: Mapping[str, str], spared: Mapping[str, str]) -> None:
        """Write all live routes and those spared ones that exist; remove the rest. No content is trusted."""
        present = self._names()
        self.reconcile(live, spared)
        for name, route in {**_only(spared, present), **live}.items():
            self.write(name, route)

    def reconcile(self, live: Mapping[str, str], spared: Mapping[str, str]) -> list[str]:
        """Add missing files and remove surplus ones; their names. Contents are not read: no link changes its target.

        A spared route stays if its file exists, and is not written if it does not.
        """
        present = self._names()
        surplus, missing = present - live.keys() - spared.keys(), live.keys() - present
        for name in surplus:
            self.remove(name)
        for name in missing:
            self.write(name, live[name])
        return sorted(surplus | missing)

    def differing(self, live: Mapping[str, str], spared: Mapping[str, str]) -> list[str]:
        """The names of files that are missing, surplus, or have another content."""
        present = {path.name: path.read_bytes() for path in self._folder.iterdir()}
        wanted = {name: _content(route) for name, route in {**_only(spared, present), **live}.items()}
        return sorted(name for name in present.keys() | wanted.keys() if present.get(name) != wanted.get(name))

    def _names(self) -> set[str]:
        return {path.name for path in self._folder.iterdir()}


class Routing:
    """Opens and closes routes and orders cuts. The caller of a method holds the lock, except for `shut`."""

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
        """Take the lock, which is held for every common change of a link's state and its route.

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
        self._remove(name)

    def is_shut(self, name: str) -> bool:
        """Whether the route must stay closed, whatever the store says."""
        return name in self._shut

    def close(self, name: str) -> None:
        """Remove the route of a link that has ended in the store."""
        self._remove(name)
        self._shut.discard(name)

    def close_all(self, names: Iterable[str], ending: Ending) -> None:
        """Remove the routes of links that the service ended, cut their connections, and record each end."""
        for name in names:
            self._remove(name)
            link = self._store.get(name)
            self.cut(link)
            action = link.interface.end_action
            audit.record(audit.Event(action, "ok", link.cluster, link.user, name, "", link.target, ending.cause))
            self._observer.ended(link.cluster, ending.cause)

    def cut(self, link: Link) -> None:
        """Order the cut of connections to an ended link's target, after its route closed and while the target rests.

        A link that only missed a heartbeat has not ended: its connections stay, and its next heartbeat opens the route.
        """
        if link.state != ENDED or not link.target or self._clock() - link.ended_at > self._rest_seconds:
            return
        if not is_whole(link.name, link.target):
            # A damaged row: it never had a route.
            return
        try:
            self._cuts.order(link.name, link.target)
        except OSError as error:
            audit.problem(f"The open connections of {link.name} to {link.target} cannot be cut: {error}.")

    def _remove(self, name: str) -> None:
        # What a damaged row has for a name may lead out of the folder.
        if is_name(name):
            self._routes.remove(name)


def _only(routes: Mapping[str, str], names: Container[str]) -> dict[str, str]:
    return {name: route for name, route in routes.items() if name in names}


def _content(route: str) -> bytes:
    return f"{route}\n".encode("ascii")
