"""The body of a report about jobs."""

from __future__ import annotations

import re
from typing import Any

from lightship_protocol import limits
from lightship_protocol.states import JOB_ENDED, JOB_STATES
from lightship_registry.core import fields
from lightship_registry.core.errors import invalid
from lightship_registry.core.records import Cause, JobReport
from lightship_registry.links.jobs import MOST_JOBS

# A job that Jupyter's user shut down ended well; a scheduler cannot know that.
CAUSES = fields.JOBS_CAUSES - {Cause.STOPPED}
# The year 5138: far enough, and exact as a floating-point number.
LATEST = 10**11
HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?", re.ASCII)
LONGEST_HOST = 253


def parse(data: dict[str, Any]) -> list[JobReport]:
    """The reports, or a sentence about the first that is wrong."""
    entries = data.get("jobs")
    if not isinstance(entries, list) or len(entries) > MOST_JOBS:
        raise invalid(f"jobs must be a list of at most {MOST_JOBS} jobs.")
    return [_report(entry) for entry in entries]


def fault(data: dict[str, Any]) -> tuple[str, str]:
    """Which login node's agent cannot ask its scheduler, and why; older agents do not say."""
    host = fields.note(data, "host", LONGEST_HOST)
    return (host if HOST.fullmatch(host) else ""), fields.note(data, "fault", limits.FAULT)


def _report(entry: object) -> JobReport:
    if not isinstance(entry, dict):
        raise invalid("Each job must be a JSON object.")
    state = entry.get("state")
    if not isinstance(state, str) or state not in JOB_STATES:
        raise invalid(f"state must be one of {', '.join(JOB_STATES)}.")
    start = fields.whole_number(entry, "start") if "start" in entry else 0
    if not 0 <= start <= LATEST:
        raise invalid("start must be a Unix time, or 0 when it is not known.")
    return JobReport(
        job_id=fields.job_id(entry.get("job_id")),
        user=fields.user(entry["user"]) if "user" in entry else "",
        state=state,
        reason=fields.note(entry, "reason", limits.REASON),
        start=start,
        cause=_cause(entry) if state == JOB_ENDED and "cause" in entry else None,
    )


def _cause(entry: dict[str, Any]) -> Cause:
    cause = fields.cause(entry)
    if cause not in CAUSES:
        raise invalid(f"cause must be one of {', '.join(sorted(CAUSES))}.")
    return cause
