"""What a link is: its states, its owner, its row as read and as made."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

WAITING, STARTING, READY, ENDED = "waiting", "starting", "ready", "ended"


class Creation(Enum):
    """What became of an attempt to make a link."""

    DONE = auto()
    OVER_QUOTA = auto()
    NAME_TAKEN = auto()


@dataclass(frozen=True)
class Owner:
    """Who made a link: a cluster and one of its Unix users."""

    cluster: str
    user: str


@dataclass(frozen=True)
class Link:
    """One row, as read."""

    name: str
    cluster: str
    user: str
    secret_sha256: str
    title: str
    job_id: str
    seconds: int
    state: str
    reason: str
    created_at: float
    expires_at: float
    certificate_sha256: str
    target: str
    lease_until: float
    ended_at: float

    @property
    def owner(self) -> Owner:
        """Who made it."""
        return Owner(self.cluster, self.user)


@dataclass(frozen=True)
class NewLink:
    """What is known of a link when it is made."""

    name: str
    owner: Owner
    secret_sha256: str
    title: str
    seconds: int
    created_at: float
    expires_at: float
