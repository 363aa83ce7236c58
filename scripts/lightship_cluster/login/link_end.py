"""When and why a user's link ended, by the registry; kept in the link's folder, so that it is asked only once."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from lightship_cluster.core.durations import humanized
from lightship_cluster.core.errors import LightshipError
from lightship_cluster.login.links import MyLink
from lightship_protocol import causes

FIELD = "ending"
# The phrases for the registry's causes.
WHY = {
    causes.STOPPED: "shut down in it",
    causes.CANCELLED: "cancelled",
    causes.TIME_LIMIT: "its time was up",
    causes.OUT_OF_MEMORY: "it ran out of memory",
    causes.NODE_FAILED: "its node failed",
    causes.FAILED: "with an error",
    causes.NOT_STARTED: "its job never started",
    causes.SILENT: "its node fell silent",
    causes.REVOKED: "revoked by an administrator",
}
# The reason given for a cancellation says more than the phrase, if it is short.
LONGEST_REASON = 60
# By then the registry has the scheduler's cause too, which may differ from the job's own.
SETTLED_SECONDS = 900.0


def ending_of(link: MyLink) -> dict[str, Any]:
    """The end that was kept before; empty if there is none."""
    try:
        noted = link.folder.metadata().get(FIELD)
    except LightshipError:
        return {}
    return _read(noted) if isinstance(noted, dict) else {}


def note_ending(link: MyLink, status: Mapping[str, Any]) -> dict[str, Any]:
    """The link's end in the registry's status; empty without one. It is kept once it no longer changes."""
    told = _read(status)
    if told and time.time() - told["ended"] > SETTLED_SECONDS:
        with suppress(LightshipError):  # if the home is read-only, it is asked again
            link.folder.note(**{FIELD: told})
    return told


def phrase(ending: Mapping[str, Any]) -> str:
    """`ended 28 Nov 14:30 after 29 min: its time was up`."""
    if not ending:
        return "ended"
    there = time.localtime(ending["ended"])
    today = time.strftime("%F", there) == time.strftime("%F")
    when = time.strftime("%H:%M" if today else "%d %b %H:%M", there)
    long = f"after {humanized(ending['ended'] - ending['ready'])}" if ending["ready"] else "before it was ready"
    why = _why(ending)
    return f"ended {when} {long}" + (f": {why}" if why else "")


def _why(ending: Mapping[str, Any]) -> str:
    reason = str(ending["reason"]).rstrip(".")
    if ending["cause"] == causes.CANCELLED and 0 < len(reason) <= LONGEST_REASON:
        return reason[:1].lower() + reason[1:]
    return WHY.get(ending["cause"], "")


def _read(told: Mapping[str, Any]) -> dict[str, Any]:
    """Read the end from a status; an older registry tells no times."""
    ended, ready = told.get("ended"), told.get("ready") or 0
    if not isinstance(ended, int) or not isinstance(ready, int) or ended <= 0:
        return {}
    return {
        "ended": ended,
        "ready": ready,
        "cause": str(told.get("cause") or ""),
        "reason": str(told.get("reason") or ""),
    }
