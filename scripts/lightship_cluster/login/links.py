"""A user's own links, read from their link folders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lightship_cluster.agent.client import AgentClient, AgentError
from lightship_cluster.core.errors import ExitStatus, LightshipError
from lightship_cluster.core.link_folder import SECRET, LinkFolder
from lightship_cluster.core.texts import quoted
from lightship_protocol import forms
from lightship_protocol.states import ENDED


@dataclass(frozen=True)
class MyLink:
    """One link, alive or ended."""

    name: str
    url: str
    cluster: str
    scheduler: str
    job_id: str
    created: float
    notebook_folder: str
    title: str
    folder: LinkFolder

    @property
    def alive(self) -> bool:
        """Whether the link may be alive: a job removes the secret at its end, but a failed node cannot."""
        return (self.folder.path / SECRET).exists()


def my_links(root: Path) -> list[MyLink]:
    """All links with a folder, the newest first."""
    try:
        names = sorted(path.name for path in root.iterdir() if forms.LINK.fullmatch(path.name))
    except OSError:
        return []
    found = [link for link in (_read(LinkFolder(root / name), name) for name in names) if link]
    return sorted(found, key=lambda link: link.created, reverse=True)


def status_of(agent: AgentClient, link: MyLink) -> dict[str, Any]:
    """Ask the registry for the link's status, through the agent."""
    try:
        status = agent.status(link.name)
    except AgentError as error:
        if error.code != "no-such-link":
            raise
        # Most likely ended. But a new registry knows no link until its backup is restored, and the job waits for that,
        # so the secrets stay.
        return {"state": ENDED}
    if status.get("state") == ENDED:
        link.folder.forget_secrets()
    return status


def find_link(links: Sequence[MyLink], beginning: str, *, alive: bool = True) -> MyLink:
    """The link whose name or title begins so, or the newest; with `alive`, ended links are refused."""
    living = [link for link in links if link.alive]
    if not beginning:
        if not (living or (links and not alive)):
            raise _missing("You have no link that is alive. start-jupyter makes one.")
        return (living or links)[0]
    wanted = beginning.casefold()
    named = [link for link in links if link.name.startswith(wanted) or link.title.casefold().startswith(wanted)]
    # A beginning means the link that is alive, if there is one.
    chosen = [link for link in named if link.alive] or named
    if chosen and not chosen[0].alive and all(link.title.casefold() == wanted for link in chosen):
        chosen = chosen[:1]  # several with this very title: the newest
    if len(chosen) > 1:
        names = ", ".join(link.name for link in chosen)
        raise _missing(f"{quoted(beginning)} is the beginning of several: {names}. Type more of it.")
    if not chosen:
        known = ", ".join(link.name for link in living) or "none"
        raise _missing(f"You have no link whose name or title begins with {quoted(beginning)}. Alive: {known}.")
    if alive and not chosen[0].alive:
        raise _missing(f"{chosen[0].name} has ended. start-jupyter again {chosen[0].name} makes a new link.")
    return chosen[0]


def _missing(sentence: str) -> LightshipError:
    return LightshipError(sentence, ExitStatus.NO_LINK)


def _read(folder: LinkFolder, name: str) -> MyLink | None:
    try:
        metadata = folder.metadata()
    except LightshipError:
        return None  # incomplete, or not a link folder
    created = metadata.get("created")
    text = {key: str(metadata.get(key) or "") for key in ("url", "cluster", "scheduler", "job_id", "folder", "title")}
    return MyLink(
        name=name,
        url=text["url"],
        cluster=text["cluster"],
        scheduler=text["scheduler"],
        job_id=text["job_id"],
        created=float(created) if isinstance(created, (int, float)) else 0.0,
        notebook_folder=text["folder"],
        title=text["title"],
        folder=folder,
    )
