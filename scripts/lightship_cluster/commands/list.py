"""`start-jupyter list`: lists a user's links."""

from __future__ import annotations

import json
import time
from typing import Any, Callable

from lightship_cluster.agent.client import AgentClient, AgentError
from lightship_cluster.config.settings import SiteSettings
from lightship_cluster.core.durations import humanized
from lightship_cluster.core.errors import ExitStatus, LightshipError
from lightship_cluster.core.link_folder import default_root
from lightship_cluster.core.texts import shortened, visible
from lightship_cluster.login import link_end
from lightship_cluster.login.command_line import Asked
from lightship_cluster.login.follow import job_in
from lightship_cluster.login.links import MyLink, my_links, status_of
from lightship_cluster.login.tables import table
from lightship_cluster.schedulers import find_scheduler
from lightship_protocol.states import ENDED, READY, STARTING, WAITING

HEAD = ("NAME", "JOB", "LEFT", "TITLE", "STATE")
WIDEST_TITLE = 20
WORDS = {READY: "ready", STARTING: "starting on its node", WAITING: "waiting for its job"}
# The values of --json for a link that is alive, or whose end is unknown.
NO_END = {"ended": 0, "ready": 0, "cause": "", "reason": ""}


def run(asked: Asked, load: Callable[[], SiteSettings]) -> ExitStatus:
    """Print the links; if the agent does not answer, what the folders tell, and then the error."""
    settings = load()
    links = LinkRows(settings, ended=asked.says("all"))
    rows = [row for row in map(links.row, my_links(default_root())) if asked.says("all") or row["state"] != ENDED]
    if asked.says("json"):
        print("".join(json.dumps(row) + "\n" for row in rows), end="")
    else:
        print(visible(_table(rows)) if rows else "You have no links. start-jupyter makes one.")
    if links.error:
        raise links.error
    return ExitStatus.OK


class LinkRows:
    """Makes the rows of the list. After the agent has failed once, it is not asked again."""

    def __init__(self, settings: SiteSettings, *, ended: bool) -> None:
        # Whether ended links are listed too.
        self._ended = ended
        self._cluster = settings.cluster
        self._agent = AgentClient(settings.agent_socket)
        self.error: AgentError | None = None

    def row(self, link: MyLink) -> dict[str, Any]:
        """The row of a link, as --json prints it."""
        status = self._status(link)
        state = str(status.get("state") or "")
        end = self._end(link, status) if state == ENDED else {}
        return {
            "name": link.name,
            "title": link.title,
            "url": link.url,
            "state": state,
            "words": link_end.phrase(end) if state == ENDED else self._phrase(link, status),
            "job_id": link.job_id,
            "cluster": link.cluster,
            "created": int(link.created),
            "expires": int(status.get("expires") or 0) if state == READY else 0,
            **{key: end.get(key, nothing) for key, nothing in NO_END.items()},
            "folder": link.notebook_folder,
            "log": str(link.folder.log),
        }

    def _status(self, link: MyLink) -> dict[str, Any]:
        if not link.alive:
            return {"state": ENDED}
        return {} if self.error or self._elsewhere(link) else self._asked(link)

    def _asked(self, link: MyLink) -> dict[str, Any]:
        try:
            return status_of(self._agent, link)
        except AgentError as error:
            self.error = error
            return {}

    def _end(self, link: MyLink, status: dict[str, Any]) -> dict[str, Any]:
        """When and why the link ended, as far as that is known."""
        if not self._ended:
            return {}
        noted = link_end.ending_of(link)
        if noted or self.error or self._elsewhere(link):
            return noted
        if "ended" not in status:
            status = self._asked(link)
        return link_end.note_ending(link, status)

    def _elsewhere(self, link: MyLink) -> bool:
        return bool(link.cluster) and link.cluster != self._cluster

    def _phrase(self, link: MyLink, status: dict[str, Any]) -> str:
        state = str(status.get("state") or "")
        if self._elsewhere(link) and link.alive:
            return f"on {link.cluster}: ask there"
        job = job_in(status)
        if state == WAITING and job:
            try:
                return find_scheduler(link.scheduler).phrase(job)
            except LightshipError:
                return WORDS[state]
        return WORDS.get(state, "unknown")


def _table(rows: list[dict[str, Any]]) -> str:
    shown = [(row["name"], row["job_id"] or "-", _left(row), _title(row), row["words"]) for row in rows]
    titled = any(row["title"] for row in rows)
    cells = [row if titled else (*row[:3], row[4]) for row in (HEAD, *shown)]
    return table(cells, [(row["name"], _below(row)) for row in rows])


def _title(row: dict[str, Any]) -> str:
    return shortened(str(row["title"]), WIDEST_TITLE)


def _below(row: dict[str, Any]) -> str:
    left = f"{_left(row)} left" if row["expires"] else ""
    return ", ".join(filter(None, (_title(row), f"job {row['job_id'] or '-'}", left, row["words"])))


def _left(row: dict[str, Any]) -> str:
    return humanized(row["expires"] - time.time()) if row["expires"] else "-"
