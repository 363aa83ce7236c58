"""What `qstat` says of single jobs of PBS and Torque, as states."""

from __future__ import annotations

import pwd
import re
from collections import Counter
from collections.abc import Mapping

from lightship_cluster.schedulers import pbs_text, pbs_words
from lightship_cluster.schedulers.base import JobState
from lightship_cluster.schedulers.pbs_text import Record

# Not -1, which says that the owner may be anybody: whoever owns it, it is none of this host's users.
NOBODYS = 2**32 - 2

_FORGOTTEN = re.compile(r"Unknown Job Id (?:Error )?(\d+)|(\d+)\S* Job has finished")
_TERMINATED = 256 + 15


def by_number(records: Mapping[str, Record]) -> dict[str, Record]:
    """The records that can be believed, by the jobs' numbers."""
    numbers = Counter(pbs_text.number_of(name) for name in records)
    return {
        number: record
        for name, record in records.items()
        # A record without a state was cut off. A number that comes twice, under whatever server's name, may be one that
        # another job's variable only looks like: neither is believed.
        if (number := pbs_text.number_of(name)) and numbers[number] == 1 and record.get("job_state")
    }


def forgotten(complaints: str) -> set[str]:
    """The numbers of jobs that the server says it does not know, or no longer lists."""
    return {first or second for first, second in _FORGOTTEN.findall(complaints)}


def state_of(record: Record, endings: Mapping[int, str]) -> JobState:
    """How a job is; the scheduler's `endings` say what it did to a job by its exit status."""
    state = record.get("job_state", "")
    node = record.get("exec_host", "").split("/")[0]
    if state in pbs_words.FINISHED:
        return JobState(state, _ending(record, endings), 0, node, _uid(record))
    reason = record.get("comment", "")
    if state == "H" and not reason.startswith("job held, too many"):
        reason = record.get("Hold_Types", "")
    start = pbs_text.time_of(record.get("estimated.start_time", "")) if state in ("Q", "H", "W") else 0
    return JobState(state, reason, start, node, _uid(record))


def _ending(record: Record, endings: Mapping[int, str]) -> str:
    """The registry's word for how a job ended."""
    text = record.get("Exit_status") or record.get("exit_status") or ""
    if not re.fullmatch(r"-?\d{1,9}", text):
        return "cancelled"  # it never ran
    status = int(text)
    used, limit = (
        pbs_text.seconds_of(record.get(f"{kind}.walltime", "")) for kind in ("resources_used", "Resource_List")
    )
    if status in endings:
        return endings[status]
    if status and 0 < limit <= used:
        return "time-limit"
    if status in (_TERMINATED, 128 + 15):
        return "cancelled"
    return "failed" if status else "ended"


def _uid(record: Record) -> int:
    try:
        return pwd.getpwnam(record.get("Job_Owner", "").split("@")[0]).pw_uid
    except (KeyError, ValueError):
        return NOBODYS
