"""What the phrases of all schedulers share."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable

_STAMP = "%Y-%m-%dT%H:%M:%S"
Rules = list[tuple["re.Pattern[str]", str]]


def rules(pairs: Iterable[tuple[str, str]]) -> Rules:
    """Patterns for the beginning of a scheduler's reason, each with its phrase."""
    return [(re.compile(pattern), words) for pattern, words in pairs]


def plain(reason: str, known: Rules) -> str:
    """The phrase for a reason, by the first rule that fits; a reason without a rule is quoted."""
    return next((words for pattern, words in known if pattern.match(reason)), f"the scheduler says {reason}")


def starts_about(start: float) -> str:
    """The estimated start as the end of a phrase; empty without an estimate, or if it has passed."""
    # A scheduler keeps a wrong estimate until it makes the next.
    if start <= time.time():
        return ""
    there = time.localtime(start)
    today = time.strftime("%F", there) == time.strftime("%F")
    return ", starts about " + time.strftime("%H:%M" if today else "%d %b %H:%M", there)


def seconds_of(start: object) -> int:
    """The Unix time of a start in an agent's answer, 0 without one; an older agent sends its local time as text."""
    if isinstance(start, int):
        return start
    try:
        return int(time.mktime(time.strptime(str(start), _STAMP)))
    except (ValueError, OverflowError):
        return 0


def sentence(words: str) -> str:
    """A phrase as a sentence."""
    return f"{words[:1].upper()}{words[1:]}." if words else ""
