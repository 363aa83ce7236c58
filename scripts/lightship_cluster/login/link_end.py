"""When, why and after how long a user's link ended, as the registry tells it; noted, so that it is asked only once."""

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
# By the registry's words for why a link ended.
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
# Who cancelled it says more, where that is said in short.
LONGEST_REASON = 60
# By then the registry has the scheduler's word too, which may be another than the job's own.
SETTLED_SECONDS = 900.0


def ending_of(link: MyLink) -> dict[str, Any]:
    """What was noted before; empty if nothing was."""
    try:
        noted = link.folder.metadata().get(FIELD)
    except LightshipError:
        return {}
    return _read(noted) if isinstance(noted, dict) else {}


def note_ending(link: MyLink, status: Mapping[str, Any]) -> dict[str, Any]:
    """What the registry tells of the link's end; empty if it does not tell. Once it is settled it is noted."""
    told = _read(status)
    if told and time.time() - told["ended"] > SETTLED_SECONDS:
        with suppress(LightshipError):  # in a home that cannot be written it is asked again
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
    """The end, if there is one; a registry that is older tells no times."""
    ended, ready = told.get("ended"), told.get("ready") or 0
    if not isinstance(ended, int) or not isinstance(ready, int) or ended <= 0:
        return {}
    return {
        "ended": ended,
        "ready": ready,
        "cause": str(told.get("cause") or ""),
        "reason": str(told.get("reason") or ""),
    }
