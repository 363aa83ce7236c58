"""The command that starts an ended link's notebook again: as typed, or with more time or memory if it lacked them."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from decimal import Decimal

from lightship_registry.core.records import Cause, Link

PROGRAM = "start-jupyter"
MINUTE, HOUR = 60, 3600
# What start-jupyter reads as a time: 60, 2h, 1h30m, 1:00, 2-00:00:00.
TIME = re.compile(r"\d{1,6}[\d:.-]{0,15}(?: *[dhms][a-z]{0,6} *[\d.]{0,6}){0,4}", re.IGNORECASE)
# And as an amount of memory: 16G, 1.5 GB, 500M, 500.
MEMORY = re.compile(r"(?P<number>\d{1,12}(?:\.\d{1,3})?)(?P<unit> *[KMGT]?(?:I?B)?)", re.ASCII | re.IGNORECASE)
SAVE = "Save your work now and then."
# The short and the long form of an option.
Option = tuple[str, str]
FOR_TIME, FOR_MEMORY = ("-t", "--time"), ("-m", "--memory")


@dataclass(frozen=True)
class Again:
    """The command, and what to know about it; code stands between backticks."""

    command: str
    remark: str = ""


@dataclass(frozen=True)
class Value:
    """Where an option's value stands: in which word, and after what in it."""

    index: int
    before: str
    text: str

    def changed(self, words: list[str], text: str) -> list[str]:
        """The words with another value."""
        return [*words[: self.index], self.before + text, *words[self.index + 1 :]]


def of(link: Link, max_hours: int) -> Again:
    """For a link that has ended."""
    typed = link.command or PROGRAM
    if link.cause == Cause.TIME_LIMIT:
        return _with_more_time(typed, link.seconds, max_hours)
    if link.cause == Cause.OUT_OF_MEMORY:
        return _with_more_memory(typed)
    return Again(typed)


def _with_more_time(typed: str, seconds: int, max_hours: int) -> Again:
    longest = max_hours * HOUR
    if seconds >= longest:
        return Again(typed, f"It had the longest time that there is here, {max_hours} hours. {SAVE}")
    time = _time(min(2 * seconds, longest))
    longer = _with_time(typed, time)
    option = f"`{FOR_TIME[0]} {time}`"
    if not longer:
        return Again(typed, f"Give it more time than before, such as {option}. {SAVE}")
    return Again(longer, f"The command below asks for more time than before, {option}. {SAVE}")


def _with_more_memory(typed: str) -> Again:
    """Where the command says how much it had. What a user's or a site's settings say is not known here."""
    own, schedulers = _split(typed)
    had = _find(own, FOR_MEMORY)
    more = _doubled(had.text) if had else ""
    if not had or not more:
        return Again(typed)
    return Again(
        shlex.join([*had.changed(own, more), *schedulers]),
        f"The command below asks for twice as much memory as before, `{FOR_MEMORY[0]} {more}`, if need be in a "
        "partition with larger nodes (`-p`). Or load less at a time, and shut down kernels that you no longer need.",
    )


def _time(seconds: int) -> str:
    minutes = seconds // MINUTE
    return str(minutes) if minutes <= 2 * MINUTE else f"{minutes // MINUTE}:{minutes % MINUTE:02}:00"


def _doubled(memory: str) -> str:
    found = MEMORY.fullmatch(memory.strip())
    if not found:
        return ""
    number = f"{2 * Decimal(found['number']):f}"
    return (number.rstrip("0").rstrip(".") if "." in number else number) + found["unit"].strip()


def _with_time(command: str, time: str) -> str:
    """The command with this time; nothing where it cannot be said which of its words is the time."""
    own, schedulers = _split(command)
    if any(word == FOR_TIME[0] or word.startswith((FOR_TIME[1], "-l")) for word in schedulers):
        return ""
    changed = _own_with_time(own, time)
    return shlex.join([*changed, *schedulers]) if changed else ""


def _own_with_time(words: list[str], time: str) -> list[str]:
    value = _find(words, FOR_TIME)
    if value:
        return value.changed(words, time)
    # 500M is an amount of memory after -m, and half a thousand minutes elsewhere.
    if len(words) > 1 and words[-2] not in FOR_MEMORY and TIME.fullmatch(words[-1]):
        # A time may stand alone at the end. After an option it may be that option's value.
        return [] if words[-2].startswith("-") and "=" not in words[-2] else [*words[:-1], time]
    return [*words, FOR_TIME[0], time] if words else []


def _split(command: str) -> tuple[list[str], list[str]]:
    """The command's own words and the scheduler's; none where a quotation is not closed."""
    try:
        words = shlex.split(command)
    except ValueError:
        return [], []
    split = words.index("--") if "--" in words else len(words)
    return words[:split], words[split:]


def _find(words: list[str], option: Option) -> Value | None:
    """The option's value; the last, which counts."""
    short, long = option
    found = None
    for index, word in enumerate(words):
        if found and found.index == index:
            continue  # it is the value itself
        if word in option and index + 1 < len(words):
            found = Value(index + 1, "", words[index + 1])
            continue
        for before in (f"{long}=", short):
            if word.startswith(before):
                found = Value(index, before, word[len(before) :])
    return found
