"""What the page of a notebook that runs says to its owner: texts by name, for the page and for its events."""

from __future__ import annotations

from lightship_protocol.limits import WARN_SECONDS
from lightship_registry.core.records import Link
from lightship_registry.pages import humanize

RUNNING = ("Your notebook is running", "It stops when its time is over, or when you end it.")
LOST = (
    "Your notebook is out of reach",
    "Nothing was heard from its node for a while. It opens again as soon as the node is back.",
)
ENDING = "What is not saved by then is lost."


def state_of(link: Link, now: float) -> dict[str, str]:
    """For the owner; a text that is empty has nothing to say."""
    left = link.expires_at - now
    heading, status = LOST if link.lease_until <= now else RUNNING
    # Of a short life the last half is warned of, not all of it.
    ending = left <= min(WARN_SECONDS, link.seconds / 2)
    return {
        "heading": "" if ending else humanize.about(link.noun, heading),
        "ending": humanize.briefly(left) if ending else "",
        "status": ENDING if ending else humanize.about(link.noun, status),
        "left": humanize.span(left),
        "used": str(_percent(link.seconds - left, link.seconds)),
        "end": humanize.instant(link.expires_at),
        "end_text": humanize.hour(link.expires_at, now),
        "since": humanize.instant(link.ready_at) if link.ready_at else "",
        "since_text": humanize.hour(link.ready_at, now) if link.ready_at else "",
        "job": link.job_id,
    }


def _percent(part: float, whole: float) -> int:
    return min(100, max(0, int(100 * part / whole)))
