"""Reads the output of Torque's `qstat -f`, its only readable format: records of attributes.

Users choose some of the values, such as their variables, and a line feed in one begins a line, which can look like a
record. So records that occur twice are not believed.
"""

from __future__ import annotations

import re

from lightship_cluster.schedulers.pbs_values import Record, number_of

_HEAD = re.compile(r"(?:Job Id|Queue):\s*(\S+)\s*")
_ATTRIBUTE = re.compile(r" {4}(\w[\w.]*) = (.*)")
_FOLD = "\n\t"


def listed(printed: str) -> list[tuple[str, Record]]:
    """All that looks like records, in order, with folded lines joined."""
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
    """The queues by their names; only administrators choose their values."""
    return dict(listed(printed))


def jobs(printed: str) -> tuple[dict[str, Record], set[str]]:
    """The jobs by their numbers, and the numbers that occur more than once."""
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
    """The record in the answer about a single job: its own head comes before all its values."""
    name, record = next(iter(listed(printed)), ("", {}))
    return {number: record} if number_of(name) == number else {}
