"""The life of a link: its creation, job, claim, heartbeats and end. Everything here runs in worker threads."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass

from cryptography.hazmat.primitives import hashes

from lightship_protocol.states import ENDED, WAITING
from lightship_registry.core import errors
from lightship_registry.core.clock import Clock
from lightship_registry.core.interfaces import Interface
from lightship_registry.core.observer import Observer
from lightship_registry.core.records import NO_HASH, NOWHERE, Ending, Link, LinkRequest, Location, NewLink, Owner
from lightship_registry.links import names
from lightship_registry.links.making import Maker, sha256_of
from lightship_registry.links.routes import Routing
from lightship_registry.pki.authorities import server_certificate
from lightship_registry.pki.csr import public_key_of
from lightship_registry.pki.keystore import Keystore, pem
from lightship_registry.store.links import LinkStore


@dataclass(frozen=True)
class Claimed:
    """A link's certificate, and when it expires."""

    certificate: str
    expires: int


class Links:
    """The links of one interface: no other's are found. A method that takes a link does not ask which one made it."""

    def __init__(
        self,
        interface: Interface,
        store: LinkStore,
        maker: Maker,
        routing: Routing,
        keys: Keystore,
        host_of: Callable[[str], str],
        lease_seconds: int,
        clock: Clock,
        observer: Observer,
    ) -> None:
        self._interface = interface
        self._store = store
        self._maker = maker
        self._routing = routing
        self._authority = keys.links()
        self._authority_pem = keys.links_pem()
        self._host_of = host_of
        self._lease_seconds = lease_seconds
        self._clock = clock
        self._observer = observer

    def create(self, owner: Owner, request: LinkRequest) -> tuple[NewLink, str]:
        """Make a link; only this answer holds its secret."""
        made, secret = self._maker.make(owner, request)
        self._observer.created(owner.cluster)
        return made, secret

    def of_owner(self, name: str, owner: Owner) -> Link:
        """The link, for its owner."""
        link = self._own(name)
        if link is None or link.owner != owner:
            raise errors.no_such_link()
        return link

    def of_secret(self, name: str, secret: str) -> Link:
        """The link, for the job that has its secret."""
        link = self._own(name)
        same = hmac.compare_digest(sha256_of(secret), link.secret_sha256 if link else NO_HASH)
        if link is None or not same:
            raise errors.refused("unknown name" if link is None else "wrong secret")
        return link

    def _own(self, name: str) -> Link | None:
        link = self._store.find(name) if names.is_name(name) else None
        return link if link and link.api == self._interface.name else None

    def set_job(self, name: str, owner: Owner, job_id: str) -> Link:
        """Note which job the link belongs to."""
        self.of_owner(name, owner)
        done = self._store.set_job(name, owner, job_id)
        link = self._store.get(name)
        if not done:
            if link.state == ENDED:
                raise errors.link_ended()
            raise errors.conflict("This link has a job already.", "job-set")
        return link

    def claim(self, link: Link, request: str, location: Location = NOWHERE) -> Claimed:
        """Sign the job's certificate, once."""
        _require_waiting(link)
        key = public_key_of(request)
        now = self._clock()
        expires = int(now) + link.seconds
        certificate = server_certificate(self._authority, key, self._host_of(link.name), now, expires)
        print_ = certificate.fingerprint(hashes.SHA256()).hex()
        if not self._store.claim(link.name, print_, now, expires, location):
            _require_waiting(self._store.get(link.name))
            raise errors.link_ended()
        return Claimed(pem(certificate) + self._authority_pem, expires)

    def heartbeat(self, link: Link) -> Link:
        """Renew the lease."""
        now = self._clock()
        renewed = self._store.renew(link.name, now, now + self._lease_seconds)
        if renewed is None:
            require_claimed(self._store.get(link.name))
            raise errors.link_ended()
        return renewed

    def end(self, link: Link, ending: Ending) -> Link:
        """End the link and close its route. Ending it again is no error, and the first ending stays."""
        with self._routing.hold():
            ended = self._store.end(link.name, ending, self._clock())
            self._routing.close(link.name)
            if ended is None:
                return self._store.get(link.name)
            self._routing.cut(ended)
            self._observer.ended(link.cluster, ending.cause)
        return ended


def require_claimed(link: Link) -> None:
    """Refuse a link that waits for its job, or has ended."""
    if link.state == ENDED:
        raise errors.link_ended()
    if link.state == WAITING:
        raise errors.conflict("This link is not claimed yet. Claim it first.", "not-claimed")


def _require_waiting(link: Link) -> None:
    if link.state == ENDED:
        raise errors.link_ended()
    if link.state != WAITING:
        raise errors.conflict("This link was claimed already. A link serves one job once.", "already-claimed")
