"""Times as users write and read them."""

from __future__ import annotations

import re

_CLOCK = re.compile(r"(?:(\d{1,3})-)?(\d{1,4}):([0-5]\d):([0-5]\d)", re.ASCII)
_MINUTES = re.compile(r"\d{1,6}", re.ASCII)


def minutes_of(text: str) -> int:
    """Whole minutes of `60`, `1:30:00` or `2-00:00:00`; seconds round up so that nobody gets less than asked for."""
    if _MINUTES.fullmatch(text):
        minutes = int(text)
    else:
        clock = _CLOCK.fullmatch(text)
        if not clock:
            raise ValueError(f"{text!r} is not a time. Give minutes (60) or HH:MM:SS (1:00:00).")
        days, hours, mins, seconds = (int(part or 0) for part in clock.groups())
        minutes = (days * 24 + hours) * 60 + mins + (seconds > 0)
    if minutes < 1:
        raise ValueError(f"{text!r} is no time at all. Give at least 1 minute.")
    return minutes


def words_of(seconds: float) -> str:
    """`45 s`, `29 min`, `1 h 05 min`, `2 days 3 h`: short enough for a live line, rounded down."""
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole} s"
    hours, minutes = divmod(whole // 60, 60)
    if not hours:
        return f"{minutes} min"
    if hours < 48:
        return f"{hours} h {minutes:02d} min"
    return f"{hours // 24} days {hours % 24} h"
