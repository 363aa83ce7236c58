"""Durations as users write and read them."""

from __future__ import annotations

import re

from lightship_cluster.core.texts import quoted

_CLOCK = re.compile(r"(?:(\d{1,3})-)?(\d{1,4}):([0-5]\d):([0-5]\d)", re.ASCII)
_DAYS = re.compile(r"(\d{1,3})-(\d{1,4})(?::([0-5]\d))?", re.ASCII)
_SHORT = re.compile(r"(\d{1,4}):(\d{2})", re.ASCII)
_MINUTES = re.compile(r"\d{1,6}", re.ASCII)
_PART = r"(?:(?P<{name}>\d{{1,6}}(?:\.\d{{1,3}})?) *(?:{words}) *)?"
_UNITS = re.compile(
    _PART.format(name="days", words="d|days?")
    + _PART.format(name="hours", words="h|hrs?|hours?")
    # As in 1h30, which has no other meaning.
    + r"(?:(?P<minutes>\d{1,6}(?:\.\d{1,3})?) *(?:m|mins?|minutes?|(?<=h\d)|(?<=h\d\d)) *)?"
    + _PART.format(name="seconds", words="s|secs?|seconds?"),
    re.ASCII | re.IGNORECASE,
)
_DECIMAL = re.compile(r"\d{1,4}[.,]\d{1,3}", re.ASCII)
_SECONDS = {"days": 86400, "hours": 3600, "minutes": 60, "seconds": 1}
# From this first number on, two numbers with a colon may be minutes and seconds, as Slurm and squeue write them.
_AMBIGUOUS_FROM = 10
HOW = "Give minutes (60), hours (2h, 1h30m) or HH:MM:SS (1:00:00)."


def minutes_of(text: str) -> int:
    """The whole minutes of `60`, `2h`, `1h30m`, `1:30`, `1:30:00`, `1-12` or `2-00:00:00`.

    Seconds are rounded up, so that nobody gets less than asked for.
    """
    seconds = _seconds_of(text.strip())
    if seconds is None:
        raise ValueError(f"{quoted(text)} is not a time. {HOW}")
    minutes = -(-seconds // 60)
    if minutes < 1:
        raise ValueError(f"{quoted(text)} is no time at all. Give at least 1 minute.")
    return minutes


def doubt_of(text: str) -> str:
    """A note about a time that schedulers would read in another way; empty for all others."""
    short = _SHORT.fullmatch(text.strip())
    if not short or not int(short[1]):
        return ""
    meant = humanized(minutes_of(text) * 60)
    return f"The time {text.strip()} is taken for hours and minutes, {meant}. Slurm's own -t would take it for minutes."


def humanized(seconds: float) -> str:
    """`45 s`, `29 min`, `1 h 05 min`, `2 days 3 h`: short enough for a progress line, rounded down."""
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole} s"
    hours, minutes = divmod(whole // 60, 60)
    if not hours:
        return f"{minutes} min"
    if hours < 48:
        return f"{hours} h {minutes:02d} min"
    days, over = divmod(hours, 24)
    return f"{days} days {over} h" if over else f"{days} days"


def _seconds_of(text: str) -> int | None:
    if _MINUTES.fullmatch(text):
        return int(text) * 60
    short = _SHORT.fullmatch(text)
    if short:
        return _of_short(text, int(short[1]), int(short[2]))
    clock = _CLOCK.fullmatch(text) or _DAYS.fullmatch(text)
    if clock:
        days, hours, minutes, seconds = (int(part or 0) for part in (*clock.groups(), 0)[:4])
        return ((days * 24 + hours) * 60 + minutes) * 60 + seconds
    if _DECIMAL.fullmatch(text):
        decimal = text.replace(",", ".")
        raise ValueError(f"{quoted(text)} may mean hours or minutes. Write {decimal}h, or whole minutes.")
    named = _UNITS.fullmatch(text)
    if not text or not named:
        return None
    exact = sum(float(named[unit] or 0) * each for unit, each in _SECONDS.items())
    # Rounded up, but not by a whole second for a decimal without an exact value.
    return round(exact + 0.499)


def _of_short(text: str, first: int, second: int) -> int:
    """Read two numbers: people mean hours and minutes, Slurm and PBS minutes and seconds."""
    if second > 59:
        raise ValueError(f"{quoted(text)} is not a time. {HOW}")
    if first >= _AMBIGUOUS_FROM:
        raise ValueError(
            f"{quoted(text)} may mean {first} minutes, as to Slurm, or {first} hours. Write {first}m or {first}h."
            if not second
            else f"{quoted(text)} may begin with minutes, as to Slurm, or with hours. "
            f"Write {first}m{second}s or {first}h{second}m."
        )
    return (first * 60 + second) * 60
