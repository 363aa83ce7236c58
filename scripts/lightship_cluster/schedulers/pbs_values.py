"""Reads the values in the output of `qstat` of PBS and Torque: job numbers, times and sizes."""

from __future__ import annotations

import re
import time

# A job or a queue: its attributes by their names.
Record = dict[str, str]

# A server's first job has number 0. qstat reads no number with more than 12 digits; if one is last, it asks about none
# of the other jobs either.
_NUMBER = re.compile(r"(0|[1-9]\d{0,11})(\[\])?(\..*)?", re.ASCII)
# The name of an advance, a standing or a maintenance reservation.
_RESERVATION = re.compile(r"([RSM]\d+)(\..*)?", re.ASCII)
_CLOCK = re.compile(r"(?:(\d+):)?(?:(\d+):)?(\d+)", re.ASCII)
_SIZE = re.compile(r"(\d+)([kmgtp]?)[bw]?", re.ASCII | re.IGNORECASE)


def number_of(job_id: str) -> str:
    """A job's number without the name of its server, which could be any; empty for what is no job."""
    found = _NUMBER.fullmatch(job_id)
    return found[1] if found else ""


def queue_of(reservation: str) -> str:
    """The queue of a reservation, without the server's name that `pbs_rsub` prints; any other name is unchanged."""
    found = _RESERVATION.fullmatch(reservation)
    return found[1] if found else reservation


def is_reservation(queue: str) -> bool:
    """Whether a queue belongs to a reservation."""
    return bool(_RESERVATION.fullmatch(queue))


def seconds_of(clock: str) -> int:
    """The seconds of `HH:MM:SS`, `MM:SS` or a number; -1 for anything else."""
    found = _CLOCK.fullmatch(clock)
    if not found:
        return -1
    first, second, seconds = found.groups()
    hours, minutes = (first, second) if second is not None else ("0", first)
    return (int(hours or 0) * 60 + int(minutes or 0)) * 60 + int(seconds)


def mebibytes_of(size: str) -> int:
    """The MiB of `16gb`, `16384mb`, `1048576kb`; -1 for anything else."""
    found = _SIZE.fullmatch(size)
    return int(found[1]) * 1024 ** " kmgtp".index(found[2].lower() or " ") // 1024**2 if found else -1


def time_of(when: str) -> int:
    """The Unix time of a time as `qstat` prints it, in local time or as a number; 0 for anything else."""
    try:
        return int(when) if when.isdigit() else int(time.mktime(time.strptime(when, "%a %b %d %H:%M:%S %Y")))
    except (ValueError, OverflowError):
        return 0
