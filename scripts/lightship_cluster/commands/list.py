"""`start-jupyter list`: a user's links."""

from __future__ import annotations

import json
import shutil
import sys
import time
from typing import Any, Callable

from lightship_cluster.agent_client import AgentClient, AgentError
from lightship_cluster.command_line import Asked
from lightship_cluster.durations import words_of
from lightship_cluster.errors import ExitStatus, LightshipError
from lightship_cluster.follow import job_in
from lightship_cluster.link_folder import default_root
from lightship_cluster.links import ENDED, MyLink, my_links, status_of
from lightship_cluster.schedulers import find_scheduler
from lightship_cluster.settings import SiteSettings

HEAD = ("NAME", "JOB", "LEFT", "TITLE", "STATE")
WIDEST_TITLE = 20
WORDS = {"ready": "ready", "starting": "starting on its node", "waiting": "waiting for its job", ENDED: "ended"}


def run(asked: Asked, load: Callable[[], SiteSettings]) -> ExitStatus:
    """Print them; when the agent cannot be asked, what the folders tell, and then why."""
    settings = load()
    looker = Looker(settings)
    rows = [row for row in map(looker.look, my_links(default_root())) if asked.says("all") or row["state"] != ENDED]
    if asked.says("json"):
        print("".join(json.dumps(row) + "\n" for row in rows), end="")
    else:
        print(_table(rows) if rows else "You have no links. start-jupyter makes one.")
    if looker.trouble:
        raise looker.trouble
    return ExitStatus.OK


class Looker:
    """Asks the agent about one link after the other, and after a failure about none."""

    def __init__(self, settings: SiteSettings) -> None:
        self._cluster = settings.cluster
        self._agent = AgentClient(settings.agent_socket)
        self.trouble: AgentError | None = None

    def look(self, link: MyLink) -> dict[str, Any]:
        """What is known of it, as --json prints it."""
        status = self._status(link)
        state = str(status.get("state") or "")
        return {
            "name": link.name,
            "title": link.title,
            "url": link.url,
            "state": state,
            "words": self._words(link, status),
            "job_id": link.job_id,
            "cluster": link.cluster,
            "created": int(link.created),
            "expires": int(status.get("expires") or 0) if state == "ready" else 0,
            "folder": link.notebook_folder,
            "log": str(link.folder.log),
        }

    def _status(self, link: MyLink) -> dict[str, Any]:
        if not link.alive:
            return {"state": ENDED}
        if self.trouble or self._elsewhere(link):
            return {}
        try:
            return status_of(self._agent, link)
        except AgentError as error:
            self.trouble = error
            return {}

    def _elsewhere(self, link: MyLink) -> bool:
        return bool(link.cluster) and link.cluster != self._cluster

    def _words(self, link: MyLink, status: dict[str, Any]) -> str:
        state = str(status.get("state") or "")
        if self._elsewhere(link) and link.alive:
            return f"on {link.cluster}: ask there"
        job = job_in(status)
        if state == "waiting" and job:
            try:
                return find_scheduler(link.scheduler).words(job)
            except LightshipError:
                return WORDS[state]
        return WORDS.get(state, "unknown")


def _table(rows: list[dict[str, Any]]) -> str:
    shown = [(row["name"], row["job_id"] or "-", _left(row), _title(row), row["words"]) for row in rows]
    titled = any(row["title"] for row in rows)
    cells = [row if titled else (*row[:3], row[4]) for row in (HEAD, *shown)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]) - 1)]
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 1000
    if sum(widths) + 2 * len(widths) + 10 > width:
        return "\n".join(f"{row['name']}\n  {_below(row)[: width - 2]}" for row in rows)
    lines = ("  ".join([*(f"{cell:{size}}" for cell, size in zip(row, widths)), row[-1]]) for row in cells)
    return "\n".join(line[:width].rstrip() for line in lines)


def _title(row: dict[str, Any]) -> str:
    title = str(row["title"])
    return title if len(title) <= WIDEST_TITLE else f"{title[: WIDEST_TITLE - 3]}..."


def _below(row: dict[str, Any]) -> str:
    left = f"{_left(row)} left" if row["expires"] else ""
    return ", ".join(filter(None, (_title(row), f"job {row['job_id'] or '-'}", left, row["words"])))


def _left(row: dict[str, Any]) -> str:
    return words_of(row["expires"] - time.time()) if row["expires"] else "-"
