"""What `qstat -f` prints, of Torque, which has no other format that can be read: records of attributes.

Users choose some of the values, such as their variables, and a line feed in one begins a line: what looks as if it were
printed twice is believed of neither.
"""

from __future__ import annotations

import re

from lightship_cluster.schedulers.pbs_values import Record, number_of

_HEAD = re.compile(r"(?:Job Id|Queue):\s*(\S+)\s*")
_ATTRIBUTE = re.compile(r" {4}(\w[\w.]*) = (.*)")
_FOLD = "\n\t"


def listed(printed: str) -> list[tuple[str, Record]]:
    """All that look like records, in their order, folded lines and all."""
    records: list[tuple[str, Record]] = []
    now: Record = {}
    for line in printed.replace(_FOLD, "").split("\n"):
        head = _HEAD.fullmatch(line)
        if head:
            now = {}
            records.append((head[1], now))
            continue
        attribute = _ATTRIBUTE.fullmatch(line)
        if attribute:
            now.setdefault(attribute[1], attribute[2].strip())
    return records


def queues(printed: str) -> dict[str, Record]:
    """The queues by their names; only administrators choose what is printed of these."""
    return dict(listed(printed))


def jobs(printed: str) -> tuple[dict[str, Record], set[str]]:
    """The jobs by their numbers, and the numbers that came twice."""
    once: dict[str, Record] = {}
    twice: set[str] = set()
    for name, record in listed(printed):
        number = number_of(name)
        if number in once or number in twice:
            twice.add(number)
            once.pop(number, None)
        elif number:
            once[number] = record
    return once, twice


def first_job(printed: str, number: str) -> dict[str, Record]:
    """The answer to a question for one job alone: whatever its values hold comes after its own head."""
    name, record = next(iter(listed(printed)), ("", {}))
    return {number: record} if number_of(name) == number else {}
