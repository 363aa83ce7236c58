"""The bodies of requests and of answers: each field once, with its type, how it is read, and what programs are told.

A field of a request names its reader in `core.fields`, whose sentences are the refusals: people read them, and a
library's own would say less. The limits here are those of the readers, or of what the handler does with the value.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable
from typing import Annotated, Any, Self, get_args

from msgspec import Meta, Struct, structs

from lightship_protocol import forms, limits
from lightship_protocol.states import ENDED, READY, STARTING, SUBJECTS, WAITING
from lightship_registry.core import fields, ssh_keys
from lightship_registry.core.records import Cause
from lightship_registry.links import targets
from lightship_registry.pki import csr
from lightship_registry.tunnels import tunnels

Data = dict[str, Any]
Reader = Callable[[Data, str], object]


class Body(Struct, frozen=True):
    """What a request says; other keys are ignored."""

    @classmethod
    def read(cls, data: Data) -> Self:
        """Take the fields in their order; the first that is wrong is refused."""
        return cls(**{name: read(data, name) for name, required, read in _readers(cls) if required or name in data})


class Answer(Struct, frozen=True, forbid_unknown_fields=True):
    """What is answered: all of these fields and nothing else."""


@functools.cache
def _readers(body: type[Body]) -> list[tuple[str, bool, Reader]]:
    return [
        (field.name, field.required, next(about.extra["read"] for about in get_args(field.type)[1:] if about.extra))
        for field in structs.fields(body)
    ]


def matching(pattern: re.Pattern[str]) -> str:
    """The pattern that the whole text has to fit."""
    return f"^(?:{pattern.pattern})$"


def one_of(words: Iterable[str]) -> dict[str, Any]:
    """The only words that there are."""
    return {"enum": list(words)}


def read_by(read: Reader, description: str | None = None, **more: Any) -> Meta:  # noqa: ANN401 - what `Meta` takes
    """A field of a request."""
    return Meta(description=description, extra={"read": read}, **more)


def note(longest: int, what: str) -> Meta:
    """Text for people: one line."""
    return read_by(
        functools.partial(fields.note, longest=longest),
        f"{what} Cut to {longest} characters; what looks like a secret is hidden.",
    )


Name = Annotated[str, Meta(pattern=matching(forms.LINK), description="The three words that name the link.")]
User = Annotated[str, read_by(fields.user, "A Unix user of the cluster.", pattern=matching(forms.USER))]
JobId = Annotated[str, read_by(fields.job_id, "The scheduler's name for a job.", pattern=matching(forms.JOB_ID))]
Reason = Annotated[str, note(limits.REASON, "Why, in plain words.")]
Fingerprint = Annotated[
    str,
    read_by(
        fields.fingerprint, "The key's fingerprint, as `ssh-keygen -l` prints it.", pattern=matching(forms.FINGERPRINT)
    ),
]
State = Annotated[
    str,
    Meta(
        description="The link waits for its job, was claimed, was published, or has ended.",
        extra_json_schema=one_of((WAITING, STARTING, READY, ENDED)),
    ),
]
Instant = Annotated[int, Meta(ge=0, description="Unix time in seconds.")]
Url = Annotated[str, Meta(description="The link's address.", extra_json_schema={"format": "uri"})]
Pem = Annotated[str, Meta(pattern="^-----BEGIN CERTIFICATE-----", description="Certificates in PEM.")]


class Nothing(Body, frozen=True):
    """A request without fields."""


class OfUser(Body, frozen=True):
    """A request in the name of a user."""

    user: User


class Create(OfUser, frozen=True):
    """The properties of a new link."""

    seconds: Annotated[
        int,
        read_by(
            fields.whole_number, "How many seconds the link lives after its claim; the centre sets the maximum.", ge=1
        ),
    ]
    title: Annotated[str, note(limits.TITLE, "The owner's title for the link.")] = ""
    command: Annotated[str, note(limits.COMMAND, "The command that makes such a link again.")] = ""
    token_sha256: Annotated[
        str,
        read_by(
            fields.digest,
            "SHA-256 of the notebook's token, in lower-case hexadecimal digits.",
            pattern=f"^(?:{forms.SHA256.pattern})?$",
        ),
    ] = ""
    subject: Annotated[
        str,
        read_by(
            functools.partial(fields.word, words=SUBJECTS),
            "What the link leads to; a notebook if it is empty.",
            extra_json_schema=one_of(("", *SUBJECTS)),
        ),
    ] = ""


class SetJob(OfUser, frozen=True):
    """The job of a link."""

    job_id: JobId


class Cancel(OfUser, frozen=True):
    """Why a link ends."""

    reason: Reason = ""


class GiveKey(OfUser, frozen=True):
    """An SSH key to add."""

    key: Annotated[str, read_by(fields.string, "The line of a .pub file.", pattern=matching(ssh_keys.LINE))]


class TakeKey(OfUser, frozen=True):
    """An SSH key to remove."""

    fingerprint: Fingerprint


class Claim(Body, frozen=True, kw_only=True):
    """The job's certificate signing request, and where the job runs."""

    node: Annotated[str, note(limits.NODE, "The node's name, for the owner to read.")] = ""
    partition: Annotated[str, note(limits.PARTITION, "The partition or queue, for the owner to read.")] = ""
    folder: Annotated[str, note(limits.FOLDER, "Where the notebook starts, for the owner to read.")] = ""
    csr: Annotated[str, read_by(fields.string, "A certificate signing request in PEM.", max_length=csr.MAX_PEM)]


class Target(Body, frozen=True):
    """The port at which the notebook listens, on the host that sends the request."""

    port: Annotated[int, read_by(fields.whole_number, ge=targets.LOWEST_PORT, le=targets.HIGHEST_PORT)]


class End(Body, frozen=True):
    """Why a job ends its link."""

    reason: Reason = ""
    cause: Annotated[str, read_by(fields.cause, extra_json_schema=one_of(sorted(fields.JOBS_CAUSES)))] = Cause.ENDED
    tail: Annotated[
        str,
        read_by(
            functools.partial(fields.lines, longest=limits.TAIL),
            f"The log's last {limits.TAIL_LINES} lines, cut to {limits.TAIL} characters.",
        ),
    ] = ""


class Pong(Answer, frozen=True):
    """The cluster's key and clock are right."""

    ok: Annotated[bool, Meta(extra_json_schema={"const": True})]
    cluster: str
    time: Instant


class Made(Answer, frozen=True):
    """A new link."""

    name: Name
    secret: Annotated[
        str, Meta(pattern=matching(forms.SHA256), description="The link's secret, which no later answer holds.")
    ]
    url: Url
    expires: Instant


class Status(Answer, frozen=True):
    """The state of a link."""

    name: Name
    state: State
    cause: Annotated[
        str,
        Meta(description="Why it ended; empty while it lives.", extra_json_schema=one_of(("", *Cause))),
    ]
    reason: Annotated[str, Meta(max_length=limits.REASON, description="Why it ended, for people.")]
    job_id: Annotated[
        str, Meta(pattern=f"^(?:{forms.JOB_ID.pattern})?$", description="The link's job; empty until it is known.")
    ]
    url: Url
    expires: Instant
    ready: Annotated[int, Meta(ge=0, description="When its notebook first answered, in Unix time; 0 if it has not.")]
    ended: Annotated[int, Meta(ge=0, description="When it ended, in Unix time; 0 while it lives.")]
    seconds: Annotated[int, Meta(ge=1, description="The time that was asked for, in seconds.")]


class Key(Answer, frozen=True):
    """One SSH key."""

    fingerprint: Fingerprint
    type: Annotated[str, Meta(extra_json_schema=one_of(forms.SSH_KEY_TYPES))]
    comment: Annotated[str, Meta(max_length=limits.SSH_KEY_COMMENT)]
    added: Instant


class Keys(Answer, frozen=True):
    """All of a user's SSH keys, and what they open."""

    keys: Annotated[list[Key], Meta(max_length=tunnels.MOST_KEYS)]
    listen: list[Annotated[str, Meta(description="Where a tunnel may listen, in the form that `ssh -R` takes.")]]
    destination: Annotated[
        str, Meta(description="Where the user's ssh logs in to; empty if the centre has no such account.")
    ]


class Claimed(Answer, frozen=True):
    """The link's certificate, and what its notebook must know."""

    certificate: Pem
    client_ca: Pem
    expires: Instant
    heartbeat: Annotated[int, Meta(ge=1, description="Seconds from one heartbeat to the next.")]
    host: Annotated[str, Meta(description="The link's host name.")]
    origin: Url


class Published(Answer, frozen=True):
    """The link is open."""

    state: State


class Renewed(Answer, frozen=True):
    """The lease was renewed."""

    state: State
    expires: Instant


class Over(Answer, frozen=True):
    """The link has ended; the reason is the first that was given."""

    state: State
    reason: Annotated[str, Meta(max_length=limits.REASON)]
