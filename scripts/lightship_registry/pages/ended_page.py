"""What the page of an ended link says to its owner: why it ended, and what to do next. `views.Views` renders it."""

from __future__ import annotations

from dataclasses import dataclass

from lightship_protocol.causes import STOPPED_BY_COMMAND
from lightship_registry.core.records import Cause, Link
from lightship_registry.pages import humanize


@dataclass(frozen=True)
class EndedText:
    """One cause in plain words; code stands between backticks."""

    heading: str
    why: str
    remedy: str


AGAIN = "Start a notebook again whenever you need one; it gets a new address."

TEXTS = {
    Cause.STOPPED: EndedText("You shut this notebook down", "It was told to stop, and its job is done.", AGAIN),
    Cause.CANCELLED: EndedText("This notebook was cancelled", "The link or its job was cancelled.", AGAIN),
    Cause.TIME_LIMIT: EndedText(
        "This notebook's time was up",
        "It had all the time that it was started with, and the cluster ended it.",
        "Ask for more time with `-t`, in minutes, or in hours as in `-t 4:00:00`.",
    ),
    Cause.OUT_OF_MEMORY: EndedText(
        "This notebook ran out of memory",
        "It needed more than its job was given, and the cluster ended it.",
        "Ask for more with `-m`, as in `-m 16G`, if need be in a partition with larger nodes (`-p`). Or load less at a "
        "time, and shut down kernels that you no longer need.",
    ),
    Cause.NODE_FAILED: EndedText(
        "This notebook's node failed",
        "The machine under it broke down. It was nothing you did.",
        "Start it again; the cluster picks another node. What was not saved is lost.",
    ),
    Cause.FAILED: EndedText(
        "This notebook ended with an error",
        "It ended, or its job did, before its time.",
        "The last lines below or the job's own output often say why. Mend that, then start again.",
    ),
    Cause.NOT_STARTED: EndedText(
        "This notebook never started",
        "Its job did not start in the time that a link may wait.",
        "Look at your jobs in the queue and cancel this one. A shorter time (`-t`) or another partition (`-p`) often "
        "starts sooner.",
    ),
    Cause.SILENT: EndedText(
        "This notebook fell silent",
        "Its node was not heard of for so long that the link was given up.",
        "Look whether its job still runs and cancel it if so. Then start again; if this happens again, tell your "
        "centre.",
    ),
    Cause.REVOKED: EndedText(
        "This link was revoked",
        "An administrator of your centre ended it.",
        "Ask your centre why before you start another notebook.",
    ),
    Cause.ENDED: EndedText("This notebook has ended", "Its job is over and did not say why.", AGAIN),
}

CANCELLED_RUNNING = EndedText("This notebook was ended", "It ran until its link or its job was cancelled.", AGAIN)
# By the reason that comes with the end, where it says by whom: a command of the owner's, or a page's button.
BY_COMMAND = EndedText("You stopped this notebook", "Its job was stopped too, by `start-jupyter stop`.", AGAIN)
ON_PAGE = EndedText("You ended this notebook", "It was ended with the button on its page.", AGAIN)
CANCELLED_ON_PAGE = EndedText("You cancelled this notebook", "It was cancelled with the button on its page.", AGAIN)
ENDED_BY_BUTTON, CANCELLED_BY_BUTTON = "Ended on its page.", "Cancelled on its page."
BY_REASON = {
    STOPPED_BY_COMMAND: BY_COMMAND,
    ENDED_BY_BUTTON: ON_PAGE,
    CANCELLED_BY_BUTTON: CANCELLED_ON_PAGE,
}


def ended_text(link: Link) -> EndedText:
    """For a link that has ended."""
    said = _of_cause(link)
    return EndedText(*(humanize.about(link.noun, text) for text in (said.heading, said.why, said.remedy)))


def is_told(link: Link) -> bool:
    """Whether `ended_text` already says what the link's reason says."""
    return link.cause == Cause.CANCELLED and link.reason in BY_REASON


def _of_cause(link: Link) -> EndedText:
    if is_told(link):
        return BY_REASON[link.reason]
    if link.cause == Cause.CANCELLED and link.ready_at:
        return CANCELLED_RUNNING
    known = link.cause in frozenset(Cause)
    return TEXTS[Cause(link.cause) if known else Cause.ENDED]
