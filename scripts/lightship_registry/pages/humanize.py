"""Times as people say them."""

from __future__ import annotations

from datetime import UTC, datetime

MINUTE, HOUR, DAY = 60, 3600, 86400
UNITS = (("day", DAY), ("hour", HOUR), ("minute", MINUTE))


def span(seconds: float) -> str:
    """How long, in the two largest units that say something."""
    minutes = int(max(seconds, 0)) // MINUTE * MINUTE
    if not minutes:
        return "less than a minute"
    parts = []
    for unit, size in UNITS:
        count, minutes = divmod(minutes, size)
        if count:
            parts.append(f"{count} {unit}" + ("s" if count > 1 else ""))
    return " ".join(parts[:2])


def briefly(seconds: float) -> str:
    """A few minutes, rounded down: nobody is promised more than there is."""
    minutes = int(max(seconds, 0)) // MINUTE
    return f"{minutes} min" if minutes else "less than a minute"


def instant(when: float) -> str:
    """For programs; the page's script says it again in the reader's own time zone."""
    return datetime.fromtimestamp(int(when), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def hour(when: float, now: float) -> str:
    """For people whose time zone is not known: the day only when it is not today's."""
    moment, today = datetime.fromtimestamp(when, UTC), datetime.fromtimestamp(now, UTC)
    day = "" if moment.date() == today.date() else f"{moment.day} {moment:%B}, "
    return f"{day}{moment:%H:%M} UTC"


def ahead(when: float, now: float) -> str:
    """How far away, from now."""
    return f"in {span(when - now + MINUTE / 2)}" if when - now >= MINUTE else "any minute now"


def about(noun: str, text: str) -> str:
    """A sentence about a notebook, of whatever the link leads to."""
    return text.replace("notebook", noun)
