"""What the words of all schedulers have in common."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable

_STAMP = "%Y-%m-%dT%H:%M:%S"
Rules = list[tuple["re.Pattern[str]", str]]


def rules(pairs: Iterable[tuple[str, str]]) -> Rules:
    """Patterns for the beginning of a scheduler's reason, each with plain words for it."""
    return [(re.compile(pattern), words) for pattern, words in pairs]


def plain(reason: str, known: Rules) -> str:
    """A reason in plain words: the first rule that fits counts, and a reason that none knows is told as it is."""
    return next((words for pattern, words in known if pattern.match(reason)), f"the scheduler says {reason}")


def starts_about(start: float) -> str:
    """An estimated start for the end of a line; nothing when there is none, or only one that was wrong."""
    # A scheduler keeps an estimate that was wrong until it makes the next.
    if start <= time.time():
        return ""
    there = time.localtime(start)
    today = time.strftime("%F", there) == time.strftime("%F")
    return ", starts about " + time.strftime("%H:%M" if today else "%d %b %H:%M", there)


def seconds_of(start: object) -> int:
    """Unix time of a start that an agent tells, 0 for none; an older agent tells its local time as text."""
    if isinstance(start, int):
        return start
    try:
        return int(time.mktime(time.strptime(str(start), _STAMP)))
    except (ValueError, OverflowError):
        return 0


def sentence(words: str) -> str:
    """Words for a page of their own."""
    return f"{words[:1].upper()}{words[1:]}." if words else ""
