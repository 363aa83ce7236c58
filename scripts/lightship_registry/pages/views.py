"""The pages themselves: which template with which values, for a viewer who is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

from lightship_protocol.states import JOB_ENDED, JOB_RUNNING
from lightship_registry.core.records import Link
from lightship_registry.core.settings import Settings
from lightship_registry.pages import humanize, running, start_again, waiting
from lightship_registry.pages.ended_page import ended_text, is_told
from lightship_registry.pages.entrance import FIRST_PAGE
from lightship_registry.pages.rendering import Renderer

REFRESH_SECONDS = 3
STATUS_REFRESH_SECONDS = 60
ENTER = "/.lightship/enter"


@dataclass(frozen=True)
class View:
    """A page as it is sent."""

    status: int
    text: str
    headers: Mapping[str, str] = field(default_factory=dict)


class Views:
    """Renders each page from what it is about."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._renderer = Renderer(settings.centre)
        self.headers = self._renderer.headers()
        # Unknown, ended and foreign: one page, byte for byte, so that names cannot be told apart.
        self.gone = self._view(404, "gone.html")
        self.trouble = self._view(500, "trouble.html")
        self.landing = self._view(200, "landing.html")

    def _view(self, status: int, template: str, *, live: bool = False, form: bool = False, **values: object) -> View:
        return View(status, self._renderer.render(template, **values), self._renderer.headers(live=live, form=form))

    def stranger(self, link: Link, state: dict[str, str]) -> View:
        """For everybody, of a link that cannot tell its owner from others."""
        return self._wait("waiting.html", link, state, live=False)

    def room(self, link: Link, now: float) -> View:
        """While the link waits for its notebook, or for its way there."""
        return self._wait("room.html", link, waiting.state_of(link, now), live=True)

    def _wait(self, template: str, link: Link, state: dict[str, str], *, live: bool) -> View:
        message, refresh = self._settings.message, REFRESH_SECONDS
        values = {"link": link, "state": state, "message": message, "refresh": refresh}
        view = self._view(503, template, live=live, form=live, **values)
        return View(view.status, view.text, {**view.headers, "Retry-After": str(refresh)})

    def running(self, link: Link, now: float) -> View:
        """While the notebook runs."""
        return self._view(
            200,
            "running.html",
            live=True,
            form=True,
            link=link,
            state=running.state_of(link, now),
            heartbeat=self._settings.heartbeat_seconds,
            refresh=STATUS_REFRESH_SECONDS,
            enter=ENTER,
        )

    def ended(self, link: Link, now: float) -> View:
        """After the link's end."""
        again = start_again.of(link, self._settings.max_hours)
        return self._view(
            410,
            "ended_page.html",
            live=True,
            link=link,
            text=ended_text(link),
            again=again,
            reported="" if is_told(link) else link.reason,
            ended=humanize.instant(link.ended_at),
            ended_text=humanize.hour(link.ended_at, now),
            ran=humanize.span(link.ended_at - link.ready_at) if link.ready_at else "",
            waited=humanize.span(link.ended_at - link.created_at),
            asked=humanize.span(link.seconds),
            queued=_may_be_queued(link),
        )

    def needs_token(self, page: str, *, wrong: bool) -> View:
        """For whoever comes without the token to what runs."""
        return self._view(403, "needs_token.html", form=True, enter=ENTER, page=page, wrong=wrong)

    def open(self, link: Link, page: str) -> View:
        """For the owner whom a page elsewhere sent here: nobody but the owner opens the notebook."""
        address = ENTER if page == FIRST_PAGE else f"{ENTER}?next={quote(page, safe='')}"
        return self._view(200, "open.html", link=link, address=address)


def _may_be_queued(link: Link) -> bool:
    """Whether its job may still wait for its turn: one that claimed the link, or was seen to run, does not."""
    started = link.ready_at or link.certificate_sha256
    return bool(link.job_id) and not started and link.job_state not in (JOB_RUNNING, JOB_ENDED)
