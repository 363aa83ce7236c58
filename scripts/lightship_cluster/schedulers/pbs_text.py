"""What `qstat -f` prints, of PBS and of Torque: records of attributes.

Users choose some of the values, such as their variables: what looks as if it were printed twice is believed of neither.
"""

from __future__ import annotations

import json
import re
import time
from typing import Any

Record = dict[str, str]

_NUMBER = re.compile(r"([1-9]\d{0,14})(\[\])?(\..*)?", re.ASCII)
_HEAD = re.compile(r"(?:Job Id|Queue):\s*(\S+)\s*")
_ATTRIBUTE = re.compile(r" {4}(\w[\w.]*) = (.*)")
_FOLD = "\n\t"
_CLOCK = re.compile(r"(?:(\d+):)?(?:(\d+):)?(\d+)", re.ASCII)
_SIZE = re.compile(r"(\d+)([kmgtp]?)[bw]?", re.ASCII | re.IGNORECASE)


def number_of(job_id: str) -> str:
    """A job's number without the name of its server, which could be anybody's; nothing for what is no job."""
    found = _NUMBER.fullmatch(job_id)
    return found[1] if found else ""


def of_text(text: str) -> dict[str, Record]:
    """The records of the usual output, folded lines and all."""
    records: dict[str, Record] = {}
    twice: set[str] = set()
    now: Record = {}
    for line in text.replace(_FOLD, "").split("\n"):
        head = _HEAD.fullmatch(line)
        if head:
            name, now = head[1], {}
            twice |= {name} & records.keys()
            records[name] = now
            continue
        attribute = _ATTRIBUTE.fullmatch(line)
        if attribute:
            now.setdefault(attribute[1], attribute[2].strip())
    return {name: record for name, record in records.items() if name not in twice}


def of_json(text: str, kind: str) -> dict[str, Record]:
    """The records of `-F json`; none when it is no JSON, as it often is not because of some user's variables."""
    try:
        found = json.loads(text, object_pairs_hook=_once)
    except (ValueError, RecursionError):
        return {}
    records = found.get(kind) if isinstance(found, dict) else None
    return {name: _flat(record) for name, record in records.items()} if isinstance(records, dict) else {}


def seconds_of(clock: str) -> int:
    """Seconds of `HH:MM:SS`, `MM:SS` or a number; -1 for anything else."""
    found = _CLOCK.fullmatch(clock)
    if not found:
        return -1
    first, second, seconds = found.groups()
    hours, minutes = (first, second) if second is not None else ("0", first)
    return (int(hours or 0) * 60 + int(minutes or 0)) * 60 + int(seconds)


def mebibytes_of(size: str) -> int:
    """MiB of `16gb`, `16384mb`, `1048576kb`; -1 for anything else."""
    found = _SIZE.fullmatch(size)
    return int(found[1]) * 1024 ** " kmgtp".index(found[2].lower() or " ") // 1024**2 if found else -1


def time_of(when: str) -> int:
    """Unix time of a time as `qstat` prints it, in local time or as a number; 0 for anything else."""
    try:
        return int(when) if when.isdigit() else int(time.mktime(time.strptime(when, "%a %b %d %H:%M:%S %Y")))
    except (ValueError, OverflowError):
        return 0


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name comes twice")
    return found


def _flat(record: object) -> Record:
    flat: Record = {}
    for name, value in record.items() if isinstance(record, dict) else ():
        if isinstance(value, dict):
            flat.update({f"{name}.{part}": str(inner) for part, inner in value.items()})
        else:
            flat[name] = str(value)
    return flat
