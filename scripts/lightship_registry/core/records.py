"""The records: a link, its owner, and what is asked and reported about it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, StrEnum, auto

from lightship_protocol import causes, forms
from lightship_protocol.states import (
    NOTEBOOK,
    READY,
    STARTING,
    WAITING,
)
from lightship_registry.core.interfaces import V1, Interface, interface_of

LIVE = (WAITING, STARTING, READY)

# Who reported how a link ended: its job, or the cluster's scheduler.
JOB, SCHEDULER = "job", "scheduler"

# Compared with if there is no link or no token, so that the answer takes the same time.
NO_HASH = "0" * 64

# A target as `links.targets` writes it: the address of either version, and the port.
TARGET = re.compile(r"(?:([0-9.]{7,15})|\[([0-9a-f:.]{2,45})\]):([1-9][0-9]{0,4})")


class Cause(StrEnum):
    """Why a link ended, as a word for programs. `Ending.reason` is the sentence for people."""

    STOPPED = causes.STOPPED
    CANCELLED = causes.CANCELLED
    TIME_LIMIT = causes.TIME_LIMIT
    OUT_OF_MEMORY = causes.OUT_OF_MEMORY
    NODE_FAILED = causes.NODE_FAILED
    FAILED = causes.FAILED
    NOT_STARTED = causes.NOT_STARTED
    SILENT = causes.SILENT
    REVOKED = causes.REVOKED
    ENDED = causes.ENDED


# The causes that a job may report wrongly, because it sees only a signal or the exit of its program; and those that its
# scheduler knows better.
DOUBTFUL = (Cause.CANCELLED, Cause.FAILED, Cause.ENDED)
BETTER_KNOWN = (Cause.OUT_OF_MEMORY, Cause.TIME_LIMIT, Cause.NODE_FAILED)


class Creation(Enum):
    """The outcome of an attempt to make a link."""

    DONE = auto()
    OVER_QUOTA = auto()
    TOO_MANY = auto()
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
    token_sha256: str
    title: str
    command: str
    job_id: str
    job_state: str
    job_reason: str
    job_start: float
    job_seen_at: float
    seconds: int
    state: str
    cause: str
    reason: str
    tail: str
    created_at: float
    ready_at: float
    expires_at: float
    certificate_sha256: str
    target: str
    lease_until: float
    ended_at: float
    told_by: str
    api: str
    announced: str
    program_mark: str
    # Empty if an older start-jupyter made the link.
    subject: str
    # Where the job runs, as the job itself says; empty if it did not say.
    node: str
    partition: str
    folder: str

    @property
    def noun(self) -> str:
        """The word that messages use for what the link leads to."""
        return self.subject or NOTEBOOK

    @property
    def interface(self) -> Interface:
        """The interface that made the link."""
        return interface_of(self.api)

    @property
    def owner(self) -> Owner:
        """The owner."""
        return Owner(self.cluster, self.user)


def is_whole(name: object, target: object) -> bool:
    """Whether the name and the target of a row have their forms.

    Damage changes rows, and SQLite keeps any type in any column. A file must neither be named nor filled by such a row.
    """
    return _fits(forms.LINK, name) and _fits(TARGET, target)


def _fits(form: re.Pattern[str], value: object) -> bool:
    return isinstance(value, str) and form.fullmatch(value) is not None


@dataclass(frozen=True)
class LinkRequest:
    """The owner's request for a link; `command` and `token_sha256` are for the pages at its address."""

    seconds: int
    title: str = ""
    command: str = ""
    token_sha256: str = ""
    subject: str = ""


@dataclass(frozen=True)
class Location:
    """Where a job runs, as the job itself says: only shown to its owner."""

    node: str = ""
    partition: str = ""
    folder: str = ""


NOWHERE = Location()


@dataclass(frozen=True)
class Glance:
    """What a page needs to know of a link before it knows the viewer; empty if there is no such link."""

    state: str = ""
    token_sha256: str = ""
    api: str = ""
    lease_until: float = 0.0

    def runs(self, now: float) -> bool:
        """Whether the notebook can be reached. Its own answer shows that to everybody too."""
        return self.state == READY and interface_of(self.api).proves_owner and self.lease_until > now


@dataclass(frozen=True)
class NewLink:
    """A link that is to be made."""

    name: str
    owner: Owner
    secret_sha256: str
    request: LinkRequest
    created_at: float
    expires_at: float
    api: str = V1.name


@dataclass(frozen=True)
class Allowance:
    """How many links an owner may have at a time and make within an hour, and the subject of the refusal's sentence."""

    live: int
    hourly: int
    maker: str


@dataclass(frozen=True)
class Ending:
    """Why a link ends, the last lines of the log if the job sent them, and who reports it: job, scheduler or others."""

    cause: Cause
    reason: str
    tail: str = ""
    told_by: str = ""


@dataclass(frozen=True)
class JobReport:
    """A scheduler's report on a job.

    An ended job has a cause if the scheduler reported one; otherwise the job is only missing from its list. The user is
    the job's owner, if known, because a link may have the id of somebody else's job.
    """

    job_id: str
    user: str
    state: str
    reason: str
    start: float
    cause: Cause | None
