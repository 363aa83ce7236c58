"""What requests and answers look like, as JSON Schema, from the constants that requests are checked with."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from lightship_protocol import forms, limits
from lightship_protocol.states import ENDED, JOB_STATES, READY, STARTING, SUBJECTS, WAITING
from lightship_registry.api import reports
from lightship_registry.core import fields, ssh_keys
from lightship_registry.core.records import Cause
from lightship_registry.links import jobs, targets
from lightship_registry.pki import csr
from lightship_registry.tunnels import tunnels

Schema = dict[str, Any]


def text(description: str = "", **more: object) -> Schema:
    """A string."""
    return _described({"type": "string", **more}, description)


def matching(pattern: re.Pattern[str], description: str = "") -> Schema:
    """A string that the whole pattern fits."""
    return text(description, pattern=f"^(?:{pattern.pattern})$")


def number(description: str = "", **more: object) -> Schema:
    """A whole number."""
    return _described({"type": "integer", **more}, description)


def choice(values: Iterable[str], description: str = "") -> Schema:
    """One of these words."""
    return text(description, enum=list(values))


def listing(items: Schema, most: int) -> Schema:
    """A list that is not longer."""
    return {"type": "array", "items": items, "maxItems": most}


def request(*required: str, **properties: Schema) -> Schema:
    """The body of a request; other keys are ignored."""
    return {"type": "object", "properties": properties, **({"required": list(required)} if required else {})}


def answer(**properties: Schema) -> Schema:
    """The body of an answer: all of these and nothing else."""
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def error(codes: Iterable[str]) -> Schema:
    """What every error looks like."""
    return answer(error=text("One sentence for people.", minLength=1), code=choice(codes, "A word for programs."))


def _described(schema: Schema, description: str) -> Schema:
    return {**schema, "description": description} if description else schema


def _cut(longest: int, what: str) -> Schema:
    return text(f"{what} Cut to {longest} characters; what looks like a secret is hidden.")


NAME = matching(forms.LINK, "The three words that name the link.")
USER = matching(forms.USER, "A Unix user of the cluster.")
JOB_ID = matching(forms.JOB_ID, "The scheduler's name for a job.")
STATE = choice((WAITING, STARTING, READY, ENDED), "Waiting for its job; claimed; published; ended.")
INSTANT = number("Unix time in seconds.", minimum=0)
REASON = _cut(limits.REASON, "Why, in plain words.")
URL = text("The link's address.", format="uri")
PEM = text("Certificates in PEM.", pattern="^-----BEGIN CERTIFICATE-----")

STATUS = answer(
    name=NAME,
    state=STATE,
    cause=choice(("", *Cause), "Why it ended; empty while it lives."),
    reason=text("Why it ended, for people.", maxLength=limits.REASON),
    job_id=text("Empty until it is known.", pattern=f"^(?:{forms.JOB_ID.pattern})?$"),
    url=URL,
    expires=INSTANT,
    ready=number("When its notebook first answered, in Unix time; 0 if it has not.", minimum=0),
    ended=number("When it ended, in Unix time; 0 while it lives.", minimum=0),
    seconds=number("The time that was asked for.", minimum=1),
)

REPORT = request(
    "job_id",
    "state",
    job_id=JOB_ID,
    user=USER,
    state=choice(JOB_STATES),
    reason=REASON,
    start=number("When it starts, in Unix time; 0 when that is not known.", minimum=0, maximum=reports.LATEST),
    cause=choice(sorted(reports.CAUSES), "If the scheduler itself said how the job ended."),
)

REPORTS = request(
    "jobs",
    jobs=listing(REPORT, jobs.MOST_JOBS),
    host=text("The login node whose agent tells a fault.", maxLength=reports.LONGEST_HOST),
    fault=_cut(limits.FAULT, "Why that agent cannot ask its scheduler; empty when it can again."),
)
WATCH = answer(
    watch=listing(JOB_ID, jobs.MOST_JOBS),
    interval=number("Report on them after so many seconds.", const=jobs.INTERVAL_SECONDS),
)

WISH = request(
    "user",
    "seconds",
    user=USER,
    seconds=number("For how long, once claimed; the longest is the centre's setting.", minimum=1),
    title=_cut(limits.TITLE, "The owner's name for it."),
    command=_cut(limits.COMMAND, "What makes such a link again."),
    token_sha256=text("Of the notebook's token.", pattern=f"^(?:{forms.SHA256.pattern})?$"),
    subject=choice(("", *SUBJECTS), "What the link leads to; a notebook when it is not said."),
)
MADE = answer(name=NAME, secret=matching(forms.SHA256, "Told here and never again."), url=URL, expires=INSTANT)

JOB = request("user", "job_id", user=USER, job_id=JOB_ID)
CANCEL = request("user", user=USER, reason=REASON)

FINGERPRINT = matching(forms.FINGERPRINT, "The key's, as `ssh-keygen -l` prints it.")
KEY = answer(
    fingerprint=FINGERPRINT,
    type=choice(forms.SSH_KEY_TYPES),
    comment=text(maxLength=limits.SSH_KEY_COMMENT),
    added=INSTANT,
)
KEYS = answer(
    keys=listing(KEY, tunnels.MOST_KEYS),
    listen={"type": "array", "items": text("Where a tunnel may listen, as ssh -R is told.")},
    destination=text("Where the user's ssh logs in to; empty if the centre has no such account."),
)
KEY_GIVEN = request("user", "key", user=USER, key=matching(ssh_keys.LINE, "The line of a .pub file."))
KEY_TAKEN = request("user", "fingerprint", user=USER, fingerprint=FINGERPRINT)

CLAIM = request(
    "csr",
    csr=text("A certificate signing request in PEM.", maxLength=csr.MAX_PEM),
    node=_cut(limits.NODE, "The node's name, for the owner to read."),
    partition=_cut(limits.PARTITION, "The partition or queue, for the owner to read."),
    folder=_cut(limits.FOLDER, "Where the notebook starts, for the owner to read."),
)
CLAIMED = answer(
    certificate=PEM,
    client_ca=PEM,
    expires=INSTANT,
    heartbeat=number("Seconds from one heartbeat to the next.", minimum=1),
    host=text("The link's host name."),
    origin=URL,
)

TARGET = request("port", port=number(minimum=targets.LOWEST_PORT, maximum=targets.HIGHEST_PORT))
PUBLISHED = answer(state=STATE)
BEAT = request()
BEATEN = answer(state=STATE, expires=INSTANT)

END = request(
    cause=choice(sorted(fields.JOBS_CAUSES)),
    reason=REASON,
    tail=text(f"The log's last {limits.TAIL_LINES} lines, cut to {limits.TAIL} characters."),
)
OVER = answer(state=STATE, reason=text(maxLength=limits.REASON))

PONG = answer(ok={"const": True}, cluster=text(), time=INSTANT)
