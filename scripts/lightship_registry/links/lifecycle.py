"""What can happen to a link. Plain functions of the store, run in worker threads; only the probe is asynchronous."""

from __future__ import annotations

import hmac
from collections.abc import Collection
from dataclasses import dataclass

from cryptography.hazmat.primitives import hashes

from lightship_protocol.states import ENDED, READY, WAITING
from lightship_registry.core import audit, errors
from lightship_registry.core.clock import Clock
from lightship_registry.core.errors import RegistryError
from lightship_registry.core.locks import SharedLock
from lightship_registry.core.observer import NO_OBSERVER, Observer
from lightship_registry.core.records import (
    BETTER_KNOWN,
    NO_HASH,
    NOWHERE,
    SATELLITE,
    SCHEDULER,
    V1,
    Cause,
    Ending,
    JobReport,
    Link,
    Location,
    Owner,
    Wish,
    route_to,
)
from lightship_registry.core.settings import Settings
from lightship_registry.links import names, targets
from lightship_registry.links.cuts import REST_SECONDS, Cuts
from lightship_registry.links.making import Maker, sha256_of
from lightship_registry.links.probe import Expected
from lightship_registry.links.routes import Routes
from lightship_registry.pki.authorities import server_certificate
from lightship_registry.pki.csr import public_key_of
from lightship_registry.pki.keystore import Keystore, pem
from lightship_registry.store.links import Store
from lightship_registry.store.satellite import Announced, SatelliteStore

# A missed lease closes the route at once, and the next heartbeat opens it again. Only a notebook that is silent for
# much longer is given up: some time without network, or a flood at its node, must not cost anybody their kernels.
SILENCE_SECONDS = 3600.0

JOB_OVER = "The job is over."
NOT_STARTED = Ending(Cause.NOT_STARTED, "The job did not start in time.")
TIME_OVER = Ending(Cause.TIME_LIMIT, "The time asked for is over.")
SILENT = Ending(Cause.SILENT, "The notebook's node fell silent.")
# Ten minutes, as every job has for its first answer: whoever comes to the port later is no more likely this job's.
ANNOUNCED_SECONDS = 600.0
UNANSWERED = Ending(Cause.FAILED, "No notebook answered at the port that its job named.")
SUPERSEDED = Ending(Cause.ENDED, "A later job on its node named the same port.")


@dataclass(frozen=True)
class Claimed:
    """A link's certificate, and how long it lasts."""

    link: Link
    certificate: str
    expires: int


class Links:
    """The life of links, from name to end."""

    def __init__(self, settings: Settings, store: Store, clock: Clock, observer: Observer = NO_OBSERVER) -> None:
        self.settings = settings
        self.observer = observer
        self.store = store
        self.satellite = SatelliteStore(store)
        self.clock = clock
        keys = Keystore(settings)
        self._authority = keys.links()
        self._authority_pem = keys.links_pem()
        self.client_ca = keys.proxy_pem()
        self.routes = Routes(settings.folders.routes_dir)
        self._cuts = Cuts(settings.folders.cut_dir)
        self._peers = targets.Peers()
        # Whoever changes a link's state and its route holds this: the folder follows the store, never the reverse.
        # Between processes too, for an administrator's command ends links while the service publishes others.
        self._routing = SharedLock(settings.folders.state_dir / "routing.lock", places=store.places)
        # Names whose routes stay closed, though the store may not know yet that they ended.
        self._shut: set[str] = set()
        self._maker = Maker(settings, store, clock)

    def create(self, owner: Owner, wish: Wish, api: str = V1) -> tuple[Link, str]:
        """Make a link; its secret is told here and never again."""
        name, secret = self._maker.make(owner, wish, api)
        self.observer.created(owner.cluster)
        return self._found(name), secret

    def _found(self, name: str) -> Link:
        link = self.store.find(name)
        if link is None:
            raise errors.no_such_link()
        return link

    def of_owner(self, name: str, owner: Owner) -> Link:
        """The link, for the one who made it."""
        link = self.store.find(name) if names.is_name(name) else None
        if link is None or link.owner != owner or link.api != V1:
            raise errors.no_such_link()
        return link

    def of_secret(self, name: str, secret: str) -> Link:
        """The link, for the job that holds its secret."""
        link = self.store.find(name) if names.is_name(name) else None
        # Satellite's links have none that anybody was told.
        link = link if link and link.api == V1 else None
        same = hmac.compare_digest(sha256_of(secret), link.secret_sha256 if link else NO_HASH)
        if link is None or not same:
            raise errors.refused("unknown name" if link is None else "wrong secret")
        return link

    def set_job(self, name: str, owner: Owner, job_id: str) -> Link:
        """Remember which job the link belongs to."""
        self.of_owner(name, owner)
        done = self.store.set_job(name, owner, job_id)
        link = self._found(name)
        if not done:
            raise errors.link_ended() if link.state == ENDED else _conflict("This link has a job already.", "job-set")
        return link

    def claim(self, link: Link, request: str, location: Location = NOWHERE) -> Claimed:
        """Sign the job's certificate, once."""
        self._require_waiting(link)
        key = public_key_of(request)
        now = self.clock()
        expires = int(now) + link.seconds
        certificate = server_certificate(self._authority, key, self.settings.host(link.name), now, expires)
        print_ = certificate.fingerprint(hashes.SHA256()).hex()
        if not self.store.claim(link.name, print_, now, expires, location):
            self._require_waiting(self._found(link.name))
            raise errors.link_ended()
        return Claimed(link, pem(certificate) + self._authority_pem, expires)

    def _require_waiting(self, link: Link) -> None:
        if link.state == ENDED:
            raise errors.link_ended()
        if link.state != WAITING:
            raise _conflict("This link was claimed already. A link serves one job once.", "already-claimed")

    def expected(self, link: Link, address: targets.Address, port: int) -> Expected:
        """Check everything about a target that needs no connection; who must answer there."""
        self._require_claimed(link)
        targets.require_port(port)
        targets.require_allowed(self.settings, link.cluster, address)
        target = targets.target_of(address, port)
        if link.state == READY and link.target != target:
            raise _conflict(f"This link's notebook is at {link.target} already.", "target-set")
        self.require_free(link, address, port)
        return Expected(self.settings.host(link.name), link.certificate_sha256)

    def require_free(
        self, link: Link, address: targets.Address, port: int, but_for: Collection[targets.Endpoint] = ()
    ) -> None:
        """Refuse a target that an earlier link is still connected to. To be asked before the probe, which connects.

        Connections of the caller's own may be named by this host's ends.
        """
        target = targets.target_of(address, port)
        if self.store.had_target(link.name, target) and self._peers.has(address, port, but_for):
            raise _resting(target)

    def announce(self, link: Link, target: str) -> None:
        """Note where a satellite's notebook will listen; who announced the same before has gone, or never was there."""
        now = self.clock()
        with self._routing.hold():
            done, older = self.satellite.announce(link, target, SUPERSEDED, now, int(now) + link.seconds)
            self._close(older, SUPERSEDED)
        if done is Announced.TAKEN:
            raise _conflict(f"{target} is another link's notebook. Let yours listen on another port.", "target-taken")
        if done is Announced.USED:
            raise _conflict("That token was redeemed already. Each serves once.", "already-claimed")

    def rests_for(self, target: str) -> float:
        """For how many seconds more no other link may have a target."""
        return self.satellite.rests_until(target, self._rest_seconds) - self.clock()

    def publish(self, link: Link, target: str) -> Link:
        """Open the route to a target that was probed."""
        now = self.clock()
        lease, rested = now + self.settings.lease_seconds, now - self._rest_seconds
        with self._routing.hold():
            if not self.store.publish(link.name, target, now, lease, rested):
                self._require_claimed(self._found(link.name))
                raise _resting(target)
            self.routes.write(link.name, route_to(link.api, target))
            # Looked at afterwards: `shut` waits for nobody.
            if link.name in self._shut:
                self.routes.remove(link.name)
        published = self._found(link.name)
        # Again after a lost answer: the first time counts.
        if published.ready_at == now:
            self.observer.ready(link.cluster, now - (link.expires_at - link.seconds))
        return published

    def heartbeat(self, link: Link) -> Link:
        """Renew the lease."""
        now = self.clock()
        if not self.store.renew(link.name, now, now + self.settings.lease_seconds):
            self._require_claimed(self._found(link.name))
            raise errors.link_ended()
        return self._found(link.name)

    def _require_claimed(self, link: Link) -> None:
        if link.state == ENDED:
            raise errors.link_ended()
        if link.state == WAITING:
            raise _conflict("This link is not claimed yet. Claim it first.", "not-claimed")

    def end(self, link: Link, ending: Ending) -> Link:
        """End the link and close its route; again is no error, and the first ending stays."""
        with self._routing.hold():
            ended = self.store.end(link.name, ending, self.clock())
            self.routes.remove(link.name)
            self._shut.discard(link.name)
            over = self._found(link.name)
            if ended:
                self._cut(over)
                self.observer.ended(link.cluster, ending.cause)
        return over

    def shut(self, name: str) -> None:
        """Close a link's route at once; `end` is to follow, however long the store lets it wait."""
        self._shut.add(name)
        self.routes.remove(name)

    def end_due(self, *, spare_silent: bool) -> None:
        """End what is over. Silent links are spared for a while after a start, when no heartbeat could come in."""
        with self._routing.hold():
            now = self.clock()
            self._close(self.store.end_waiting(NOT_STARTED, now), NOT_STARTED)
            self._close(self.store.end_overdue(TIME_OVER, now), TIME_OVER)
            if not spare_silent:
                self._close(self.store.end_silent(SILENT, now, SILENCE_SECONDS), SILENT)
                self._close(self.satellite.end_unanswered(UNANSWERED, now, ANNOUNCED_SECONDS), UNANSWERED)

    def end_job(self, cluster: str, report: JobReport) -> None:
        """End the link whose job has ended and can no longer say so itself."""
        ending = Ending(report.cause or Cause.ENDED, report.reason or JOB_OVER, told_by=SCHEDULER)
        with self._routing.hold():
            self._close(self.store.end_job(cluster, report, ending, self.clock()), ending)

    def correct(self, cluster: str, report: JobReport) -> None:
        """Believe the scheduler where it knows better than the job how that ended: a signal is all that a job sees."""
        if not (report.cause and report.user):
            return
        better = report.cause in BETTER_KNOWN
        ending = Ending(report.cause, report.reason or JOB_OVER) if better else None
        for name in self.store.correct(cluster, report, ending, self.clock()):
            if ending:
                audit.record(audit.Event("correct", "ok", cluster, report.user, name, reason=ending.cause))

    def _close(self, ended: list[str], ending: Ending) -> None:
        for name in ended:
            self.routes.remove(name)
            link = self._found(name)
            self._cut(link)
            action = "satellite-end" if link.api == SATELLITE else "end"
            audit.record(audit.Event(action, "ok", link.cluster, link.user, name, "", link.target, ending.cause))
            self.observer.ended(link.cluster, ending.cause)

    def restore(self) -> None:
        """Write all route files anew: those of leases that hold, and of the silent those that a reboot left."""
        with self._routing.hold():
            now = self.clock()
            self.routes.restore(self.store.live_routes(now), self.store.silent_routes(now))

    def reconcile(self, *, spare_silent: bool) -> None:
        """Make the route files equal to what the store says; those of silent links are spared as in `end_due`."""
        with self._routing.hold():
            now = self.clock()
            live, silent = self.store.live_routes(now), self.store.silent_routes(now) if spare_silent else {}
            live = {name: route for name, route in live.items() if name not in self._shut}
            changed = self.routes.reconcile(live, silent)
            # A crash between the end of a link and that of its route leaves the cut to be done.
            for link in filter(None, map(self.store.find, changed)):
                self._cut(link)
        if changed:
            audit.notice(f"{len(changed)} route files did not match the store and were put right.")

    def differing_routes(self) -> list[str]:
        """The names whose route file is not what the store says; nothing is changed."""
        with self._routing.hold():
            now = self.clock()
            return self.routes.differing(self.store.live_routes(now), self.store.silent_routes(now))

    @property
    def _rest_seconds(self) -> float:
        return max(self.settings.target_rest_seconds, REST_SECONDS)

    def _cut(self, link: Link) -> None:
        """Cut what is open to an ended link's target; after the route is closed, and while the target rests.

        A link that only missed a heartbeat has not ended: its sockets stay, its next heartbeat opens the route again.
        """
        if link.state != ENDED or not link.target or self.clock() - link.ended_at > self._rest_seconds:
            return
        try:
            self._cuts.order(link.name, link.target)
        except OSError as error:
            audit.problem(f"The open connections of {link.name} to {link.target} cannot be cut: {error}.")


def _conflict(sentence: str, code: str) -> RegistryError:
    return RegistryError(sentence, code, 409)


def _resting(target: str) -> RegistryError:
    sentence = f"{target} is another link's, or was until lately. Let the notebook listen on another port."
    return RegistryError(sentence, "target-taken", 409)
