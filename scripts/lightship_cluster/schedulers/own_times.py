"""Refuses a time limit besides the link's own: such a job would outlive its link, or end before it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from lightship_cluster.core.durations import humanized
from lightship_cluster.core.errors import ExitStatus, LightshipError
from lightship_cluster.schedulers import pbs_values
from lightship_cluster.schedulers.base import Resources
from lightship_cluster.schedulers.own_options import SBATCH, Dialect, values_of

# The time for qsub, alone or in a list of resources.
_WALLTIME = re.compile(r"(?:^|,)\s*walltime=([^,]*)")
_DAYS = re.compile(r"(\d+)-(\d+)(?::(\d+))?(?::(\d+))?", re.ASCII)
_CLOCK = re.compile(r"(?:(\d+):)??(\d+)(?::(\d+))?", re.ASCII)


def time_in(words: Sequence[str], dialect: Dialect) -> str:
    """The time in these options; the last of several, empty without any."""
    told = values_of(dialect.read(words), dialect.time)
    if dialect is not SBATCH:
        told = [time for resources in told for time in _WALLTIME.findall(resources)]
    return next(reversed(told), "")


def require_no_time(words: Sequence[str], dialect: Dialect) -> None:
    """Refuse a time among the user's own options: the scheduler would use it, and the link would not know it."""
    if time_in(words, dialect):
        raise LightshipError(
            "Give the time with -t: the link ends with it. Leave it out of what follows --, or of extra in settings.",
            ExitStatus.USAGE,
        )


def unused_time(wanted: Resources, script: Path | None, dialects: Sequence[Dialect]) -> str:
    """A warning if the script has its own time and the job gets a default instead."""
    times = ((dialect, time_in(dialect.directives(script), dialect)) for dialect in dialects)
    dialect, time = next((found for found in times if found[1]), (SBATCH, ""))
    if wanted.timed or not time or _seconds(time, dialect) == wanted.minutes * 60:
        return ""
    gets = humanized(wanted.minutes * 60)
    return f"The batch script's own time, {time}, is not used: the job gets {gets}. Give the time with -t."


def _seconds(time: str, dialect: Dialect) -> int:
    """The seconds of a time as the scheduler reads it; -1 if it cannot."""
    if dialect is not SBATCH:
        return pbs_values.seconds_of(time)
    # After days come hours; without days, two numbers are minutes and seconds, and one is minutes.
    found = _DAYS.fullmatch(time)
    if found:
        days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
        return ((days * 24 + hours) * 60 + minutes) * 60 + seconds
    found = _CLOCK.fullmatch(time)
    if not found:
        return -1
    hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return (hours * 60 + minutes) * 60 + seconds
