"""What the waiting room says of a link: texts by name, for the page and for the events that keep it up to date."""

from __future__ import annotations

import math

from lightship_protocol.states import JOB_ENDED, JOB_HELD, JOB_RUNNING, READY, STARTING, WAITING
from lightship_registry.core.records import Link
from lightship_registry.pages import humanize

# The scheduler's word is as old as the agent's last look; older than this, the page says so.
STALE_SECONDS = 180.0

# What a stranger sees, and the owner when there is nothing better to say: heading and sentence.
STEPS = {
    "1": (
        "Your notebook is waiting for its turn",
        "The cluster has not started the job yet. This can take a while when the cluster is busy.",
    ),
    "2": ("Your notebook is starting", "It is starting on its node. This takes a moment."),
    "3": ("Your notebook is almost there", "The notebook answers. This page gives way to it in a moment."),
}
HELD = ("Your job is on hold", "It stays in the queue and does not start before it is released.")
OVER = ("Your job is over", "The scheduler says that it has ended, and no notebook came up. This page will say why.")
DIED = "The scheduler says that it has ended, and no notebook came up. Look at its output, and start it again."
RESTING = "Your notebook's port rests"
RESTS = (
    "Port {port} of its node was another notebook's until a moment ago. So that nobody is led to the wrong one, it "
    "opens in {seconds} seconds. A port that nobody had before opens at once."
)
LOST = (
    "Your notebook is out of reach",
    "Nothing was heard from its node for a while. The page opens the notebook as soon as it is back.",
)


def plain(link: Link) -> dict[str, str]:
    """For everybody: nothing that the link's state alone does not say."""
    step = {WAITING: "1", STARTING: "2", READY: "3"}[link.state]
    heading, status = STEPS[step]
    return {"step": step, "heading": humanize.about(link.noun, heading), "status": humanize.about(link.noun, status)}


def satellite(link: Link, rests_seconds: float) -> dict[str, str]:
    """For everybody, of a link of Satellite's interface, whose owner nobody can be told from others.

    What was said of its job anybody in the cluster may ask for; `rests_seconds` is how long its port still rests.
    """
    if link.state == WAITING and link.job_state == JOB_ENDED:
        return {**plain(link), "heading": OVER[0], "status": DIED}
    if link.state == WAITING and link.job_state == JOB_RUNNING:
        return {"step": "2", "heading": STEPS["2"][0], "status": STEPS["2"][1]}
    if link.state == STARTING and rests_seconds > 0:
        status = RESTS.format(port=link.announced.rpartition(":")[2], seconds=math.ceil(rests_seconds))
        return {**plain(link), "heading": RESTING, "status": status}
    return plain(link)


def state_of(link: Link, now: float) -> dict[str, str]:
    """For the owner; a text that is empty has nothing to say."""
    step = "2" if link.state == WAITING and link.job_state == JOB_RUNNING else plain(link)["step"]
    heading, status = _sentences(link, step, now)
    queued = step == "1"
    start = link.job_start if queued else 0.0
    stale = queued and link.job_seen_at and now - link.job_seen_at > STALE_SECONDS
    return {
        "step": step,
        "heading": humanize.about(link.noun, heading),
        "status": humanize.about(link.noun, status),
        "reason": link.job_reason if queued else "",
        "start": humanize.instant(start) if start else "",
        "start_text": humanize.hour(start, now) if start else "",
        "start_ahead": humanize.ahead(start, now) if start else "",
        "job": link.job_id,
        # A notebook that ran and is out of reach has waited for nothing of the kind.
        "waited": "" if link.ready_at else humanize.span(now - link.created_at),
        "heard": f"{humanize.span(now - link.job_seen_at)} ago" if stale else "",
    }


def _sentences(link: Link, step: str, now: float) -> tuple[str, str]:
    if link.state == READY and link.lease_until <= now:
        return LOST
    if link.state == WAITING:
        return {JOB_HELD: HELD, JOB_ENDED: OVER}.get(link.job_state, STEPS[step])
    return STEPS[step]
