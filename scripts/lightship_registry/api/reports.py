"""Reports about jobs: what an agent says, and what it is to say next."""

from __future__ import annotations

import re
from typing import Annotated

from msgspec import Meta

from lightship_protocol import limits
from lightship_protocol.states import JOB_ENDED, JOB_STATES
from lightship_registry.api.models import Answer, Body, Data, JobId, Reason, User, note, one_of, read_by
from lightship_registry.core import fields
from lightship_registry.core.errors import invalid
from lightship_registry.core.records import Cause, JobReport
from lightship_registry.links.jobs import INTERVAL_SECONDS, MOST_JOBS

# A job that Jupyter's user shut down ended well; a scheduler cannot know that.
CAUSES = fields.JOBS_CAUSES - {Cause.STOPPED}
# The year 5138: far enough, and exact as a floating-point number.
LATEST = 10**11
HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?", re.ASCII)
LONGEST_HOST = 253


def _state(data: Data, key: str) -> str:
    state = data.get(key)
    if not isinstance(state, str) or state not in JOB_STATES:
        raise invalid(f"{key} must be one of {', '.join(JOB_STATES)}.")
    return state


def _start(data: Data, key: str) -> int:
    start = fields.whole_number(data, key)
    if not 0 <= start <= LATEST:
        raise invalid(f"{key} must be a Unix time, or 0 when it is not known.")
    return start


def _cause(data: Data, key: str) -> str:
    if data["state"] != JOB_ENDED:
        return ""
    cause = fields.cause(data, key)
    if cause not in CAUSES:
        raise invalid(f"{key} must be one of {', '.join(sorted(CAUSES))}.")
    return cause


def _host(data: Data, key: str) -> str:
    host = fields.note(data, key, LONGEST_HOST)
    return host if HOST.fullmatch(host) else ""


def _jobs(data: Data, key: str) -> list[Report]:
    entries = data.get(key)
    if not isinstance(entries, list) or len(entries) > MOST_JOBS:
        raise invalid(f"{key} must be a list of at most {MOST_JOBS} jobs.")
    return [_report(entry) for entry in entries]


def _report(entry: object) -> Report:
    if not isinstance(entry, dict):
        raise invalid("Each job must be a JSON object.")
    return Report.read(entry)


class Report(Body, frozen=True, kw_only=True):
    """The state of one job."""

    state: Annotated[str, read_by(_state, extra_json_schema=one_of(JOB_STATES))]
    start: Annotated[
        int, read_by(_start, "When it starts, in Unix time; 0 when that is not known.", ge=0, le=LATEST)
    ] = 0
    job_id: JobId
    user: User = ""
    reason: Reason = ""
    cause: Annotated[
        str,
        read_by(
            _cause,
            "Why the job ended, if the scheduler itself said so.",
            extra_json_schema=one_of(sorted(CAUSES)),
        ),
    ] = ""

    @property
    def record(self) -> JobReport:
        """As the links take it."""
        cause = Cause(self.cause) if self.cause else None
        return JobReport(self.job_id, self.user, self.state, self.reason, self.start, cause)


class Reports(Body, frozen=True):
    """The states of a cluster's jobs, and what keeps an agent from asking; older agents do not say."""

    jobs: Annotated[list[Report], read_by(_jobs, max_length=MOST_JOBS)]
    host: Annotated[
        str, read_by(_host, "The login node of the agent that reports a fault.", max_length=LONGEST_HOST)
    ] = ""
    fault: Annotated[str, note(limits.FAULT, "Why that agent cannot ask its scheduler; empty when it can again.")] = ""


class Watch(Answer, frozen=True):
    """The jobs to report on."""

    watch: Annotated[list[JobId], Meta(max_length=MOST_JOBS)]
    interval: Annotated[
        int,
        Meta(description="The number of seconds until the next report.", extra_json_schema={"const": INTERVAL_SECONDS}),
    ]
