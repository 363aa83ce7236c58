"""Makes links: within the owner's allowance, each with a new name and a secret."""

from __future__ import annotations

import hashlib
import math
import secrets

from lightship_registry.core import errors
from lightship_registry.core.clock import Clock
from lightship_registry.core.errors import RegistryError
from lightship_registry.core.interfaces import Interface
from lightship_registry.core.records import Allowance, Creation, LinkRequest, NewLink, Owner
from lightship_registry.core.settings import Settings
from lightship_registry.links import names
from lightship_registry.store.links import HOUR, LinkStore

NAME_DRAWS = 20


class Maker:
    """Makes the links of one interface."""

    def __init__(
        self, settings: Settings, store: LinkStore, interface: Interface, allowance: Allowance, clock: Clock
    ) -> None:
        self._settings = settings
        self._store = store
        self._interface = interface
        self._allowance = allowance
        self._clock = clock
        self._series = names.read_series(settings.folders.state_dir)[-1]

    def make(self, owner: Owner, request: LinkRequest) -> tuple[NewLink, str]:
        """Make a link; only this answer holds its secret."""
        longest = self._settings.max_hours * HOUR
        if not 1 <= request.seconds <= longest:
            raise errors.invalid(
                f"seconds must be from 1 to {longest}: a link lasts {self._settings.max_hours} hours at most."
            )
        secret = secrets.token_hex(32)
        allowed = self._allowance
        for _ in range(NAME_DRAWS):
            link = self._new(owner, request, secret)
            made = self._store.create(link, allowed.live, allowed.hourly)
            if made is Creation.OVER_QUOTA:
                raise _over_quota(allowed)
            if made is Creation.TOO_MANY:
                raise self._too_many(owner, link.created_at)
            if made is Creation.DONE:
                return link, secret
        raise RegistryError("No free name was found. Try again.")

    def _new(self, owner: Owner, request: LinkRequest, secret: str) -> NewLink:
        now = self._clock()
        waits_until = now + self._settings.waiting_hours * HOUR
        name = names.new_name(self._series)
        return NewLink(name, owner, sha256_of(secret), request, now, waits_until, self._interface.name)

    def _too_many(self, owner: Owner, now: float) -> RegistryError:
        allowed = self._allowance
        minutes = max(1, math.ceil((self._store.may_create_at(owner, allowed.hourly) - now) / 60))
        made = f"{allowed.maker} made {allowed.hourly} links within the last hour, as many as are allowed."
        return RegistryError(f"{made} Try again in {minutes} min.", "too-many", 429)


def sha256_of(text: str) -> str:
    """The digest of a secret or a token, as the store keeps it."""
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def _over_quota(allowed: Allowance) -> RegistryError:
    has = "You have" if allowed.maker == "You" else f"{allowed.maker} has"
    return RegistryError(f"{has} {allowed.live} live links, as many as are allowed. End one first.", "quota", 429)
