"""Turns the records of `qstat` about jobs of PBS and Torque into states."""

from __future__ import annotations

import pwd
import re
from collections.abc import Iterable, Mapping

from lightship_cluster.schedulers import pbs_phrases, pbs_values
from lightship_cluster.schedulers.base import NOBODYS, JobState
from lightship_cluster.schedulers.pbs_values import Record
from lightship_protocol import causes

# The state of a job that the server does not know: it has no history, or its history is too short. About a hidden job
# the server says nothing.
UNLISTED = JobState("F", "unlisted")

_FORGOTTEN = re.compile(r"Unknown Job Id (?:Error )?(\d+)|(\d+)\S* Job has finished")
_TERMINATED = 256 + 15
# The comment of a job that the server ended for using too much.
_EXCEEDED = re.compile(r" and exceeded resource (\w+)")
_USED_UP = {
    "mem": causes.OUT_OF_MEMORY,
    "vmem": causes.OUT_OF_MEMORY,
    "walltime": causes.TIME_LIMIT,
    "cput": "cpu-time",
    "ncpus": "cores",
}
# Substates: a held job that waits for another job, and a finished job that somebody ended.
_DEPENDS, _STOPPED = "22", "91"


def by_number(records: Mapping[str, Record], asked: Iterable[str]) -> dict[str, Record]:
    """The records of the wanted jobs by their numbers; a record without a state is incomplete and left out."""
    wanted = set(asked)
    numbered = ((pbs_values.number_of(name), record) for name, record in records.items())
    return {number: record for number, record in numbered if number in wanted and record.get("job_state")}


def forgotten(complaints: str) -> set[str]:
    """The numbers of jobs that the server does not know or no longer lists, by its messages."""
    return {first or second for first, second in _FORGOTTEN.findall(complaints)}


def state_of(record: Record, endings: Mapping[int, str]) -> JobState:
    """The state of a job; `endings` has the scheduler's own exit statuses."""
    state = record.get("job_state", "")
    node = record.get("exec_host", "").split("/")[0]
    if state in pbs_phrases.FINISHED:
        return JobState(state, _ending(record, endings), 0, node, _uid(record))
    start = pbs_values.time_of(record.get("estimated.start_time", "")) if state in ("Q", "H", "W") else 0
    return JobState(state, _reason(state, record), start, node, _uid(record))


def _reason(state: str, record: Record) -> str:
    comment = record.get("comment", "")
    if state != "H":
        reserved = pbs_values.is_reservation(record.get("queue", ""))
        return pbs_phrases.RESERVED if reserved and pbs_phrases.is_stopped(comment) else comment
    if record.get("substate") == _DEPENDS:
        return pbs_phrases.DEPENDS
    return comment if comment.startswith(pbs_phrases.FAILED_STARTS) else record.get("Hold_Types", "")


def _ending(record: Record, endings: Mapping[int, str]) -> str:
    """How a job ended, as a key of the phrases."""
    text = record.get("Exit_status") or record.get("exit_status") or ""
    exceeded = _EXCEEDED.search(record.get("comment", ""))
    if exceeded and exceeded[1] in _USED_UP:
        return _USED_UP[exceeded[1]]
    if not re.fullmatch(r"-?\d{1,9}", text):
        return causes.CANCELLED  # it never ran
    status = int(text)
    used, limit = (
        pbs_values.seconds_of(record.get(f"{kind}.walltime", "")) for kind in ("resources_used", "Resource_List")
    )
    if status in endings:
        return endings[status]
    if status and 0 < limit <= used:
        return causes.TIME_LIMIT
    # A job that handles the signal ends with its own status.
    if status in (_TERMINATED, 128 + 15) or record.get("substate") == _STOPPED:
        return causes.CANCELLED
    return causes.FAILED if status else causes.ENDED


def _uid(record: Record) -> int:
    try:
        return pwd.getpwnam(record.get("Job_Owner", "").split("@")[0]).pw_uid
    except (KeyError, ValueError):
        return NOBODYS
