"""The command that starts an ended link's notebook again: as typed, with more time where it had too little."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass

from lightship_registry.records import Cause, Link

PROGRAM = "start-jupyter"
MINUTE, HOUR = 60, 3600
# What start-jupyter reads as a time: 60, 2h, 1h30m, 1:00, 2-00:00:00.
TIME = re.compile(r"\d{1,6}[\d:.-]{0,15}(?: *[dhms][a-z]{0,6} *[\d.]{0,6}){0,4}", re.IGNORECASE)
SAVE = "Save your work now and then."
SHORT, LONG = "-t", "--time"
# 500M is an amount of memory after these, and half a thousand minutes elsewhere.
MEMORY = ("-m", "--memory")


@dataclass(frozen=True)
class Again:
    """The command, and what to know about its time; code stands between backticks."""

    command: str
    remark: str = ""


def of(link: Link, max_hours: int) -> Again:
    """For a link that has ended."""
    typed, longest = link.command or PROGRAM, max_hours * HOUR
    if link.cause != Cause.TIME_LIMIT:
        return Again(typed)
    if link.seconds >= longest:
        return Again(typed, f"It had the longest time that there is here, {max_hours} hours. {SAVE}")
    time = _time(min(2 * link.seconds, longest))
    longer = _with_time(typed, time)
    if not longer:
        return Again(typed, f"Give it more time than before, such as `{SHORT} {time}`. {SAVE}")
    return Again(longer, f"The command below asks for more time than before, `{SHORT} {time}`. {SAVE}")


def _time(seconds: int) -> str:
    minutes = seconds // MINUTE
    return str(minutes) if minutes <= 2 * MINUTE else f"{minutes // MINUTE}:{minutes % MINUTE:02}:00"


def _with_time(command: str, time: str) -> str:
    """The command with this time; nothing where it cannot be said which of its words is the time."""
    try:
        words = shlex.split(command)
    except ValueError:
        return ""
    split = words.index("--") if "--" in words else len(words)
    own, schedulers = words[:split], words[split:]
    if any(word == SHORT or word.startswith((LONG, "-l")) for word in schedulers):
        return ""
    changed = _changed(own, time)
    return shlex.join([*changed, *schedulers]) if changed else ""


def _changed(words: list[str], time: str) -> list[str]:
    for index, word in enumerate(words):
        if word in (SHORT, LONG):
            return [*words[: index + 1], time, *words[index + 2 :]]
        for option in (f"{LONG}=", SHORT):
            if word.startswith(option):
                return [*words[:index], f"{option}{time}", *words[index + 1 :]]
    if len(words) > 1 and words[-2] not in MEMORY and TIME.fullmatch(words[-1]):
        # A time may stand alone at the end. After an option it may be that option's value.
        return [] if words[-2].startswith("-") and "=" not in words[-2] else [*words[:-1], time]
    return [*words, SHORT, time]
