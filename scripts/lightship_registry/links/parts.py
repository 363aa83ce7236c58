"""Builds the parts of this room on one database: for the service, the administrators' command and the tests."""

from __future__ import annotations

from dataclasses import dataclass

from lightship_registry.core.clock import Clock
from lightship_registry.core.interfaces import SATELLITE, V1, Interface
from lightship_registry.core.locks import SharedLock
from lightship_registry.core.observer import NO_OBSERVER, Observer
from lightship_registry.core.records import Allowance
from lightship_registry.core.settings import Settings
from lightship_registry.links.cuts import REST_SECONDS, Cuts
from lightship_registry.links.lifecycle import Links
from lightship_registry.links.making import Maker
from lightship_registry.links.publisher import Publisher
from lightship_registry.links.reconciler import Reconciler
from lightship_registry.links.routes import Routes, Routing
from lightship_registry.links.targets import Peers
from lightship_registry.pki.keystore import Keystore
from lightship_registry.store.database import Database
from lightship_registry.store.jobs import JobStore
from lightship_registry.store.links import LinkStore
from lightship_registry.store.satellite import SatelliteStore


@dataclass(frozen=True)
class LinkParts:
    """The parts, for the code that assembles a program. Every other part is handed only those that it needs."""

    store: LinkStore
    satellite_store: SatelliteStore
    routes: Routes
    routing: Routing
    links: Links
    satellite_links: Links
    publisher: Publisher
    reconciler: Reconciler


def build_links(settings: Settings, database: Database, clock: Clock, observer: Observer = NO_OBSERVER) -> LinkParts:
    """Build the parts and connect them."""
    store, satellite = LinkStore(database), SatelliteStore(database)
    routes = Routes(settings.folders.routes_dir)
    lock = SharedLock(settings.folders.state_dir / "routing.lock", slots=database.slots)
    rest = max(settings.target_rest_seconds, REST_SECONDS)
    routing = Routing(store, lock, routes, Cuts(settings.folders.cut_dir), rest, clock, observer)
    keys = Keystore(settings)

    def links_of(interface: Interface, allowance: Allowance) -> Links:
        maker = Maker(settings, store, interface, allowance, clock)
        lease = settings.lease_seconds
        return Links(interface, store, maker, routing, keys, settings.host, lease, clock, observer)

    own = Allowance(settings.user_quota, settings.user_creations_per_hour, "You")
    theirs = Allowance(settings.satellite_quota, settings.satellite_creations_per_hour, "This host")
    return LinkParts(
        store,
        satellite,
        routes,
        routing,
        links_of(V1, own),
        links_of(SATELLITE, theirs),
        Publisher(settings, store, satellite, routing, Peers(), rest, clock, observer),
        Reconciler(store, JobStore(database), satellite, routing, routes, clock),
    )
