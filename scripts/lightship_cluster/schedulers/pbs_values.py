"""The values in what `qstat` prints, of PBS and of Torque: numbers of jobs, times and sizes."""

from __future__ import annotations

import re
import time

# A job or a queue: its attributes by their names.
Record = dict[str, str]

# A server's first job is number 0.
_NUMBER = re.compile(r"(0|[1-9]\d{0,14})(\[\])?(\..*)?", re.ASCII)
# Of an advance, a standing and a maintenance reservation.
_RESERVATION = re.compile(r"([RSM]\d+)(\..*)?", re.ASCII)
_CLOCK = re.compile(r"(?:(\d+):)?(?:(\d+):)?(\d+)", re.ASCII)
_SIZE = re.compile(r"(\d+)([kmgtp]?)[bw]?", re.ASCII | re.IGNORECASE)


def number_of(job_id: str) -> str:
    """A job's number without the name of its server, which could be anybody's; nothing for what is no job."""
    found = _NUMBER.fullmatch(job_id)
    return found[1] if found else ""


def queue_of(reservation: str) -> str:
    """The queue of a reservation, which `pbs_rsub` prints with the name of the server; any other name is itself."""
    found = _RESERVATION.fullmatch(reservation)
    return found[1] if found else reservation


def is_reservation(queue: str) -> bool:
    """Whether a queue is a reservation's."""
    return bool(_RESERVATION.fullmatch(queue))


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
