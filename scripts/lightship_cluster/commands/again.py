"""`start-jupyter again`: starts a link's notebook once more, with the command line that was typed for the link."""

from __future__ import annotations

import os
import shlex
import sys
from contextlib import suppress
from dataclasses import replace
from typing import Any, Callable

from lightship_cluster.agent.client import AgentClient
from lightship_cluster.config.settings import SiteSettings
from lightship_cluster.config.values import LARGEST_MEMORY, humanized_size
from lightship_cluster.core.errors import ExitStatus, LightshipError
from lightship_cluster.core.link_folder import default_root
from lightship_cluster.login.command_line import PROGRAM, Asked, Line, parse, spelled
from lightship_cluster.login.link_end import ending_of, note_ending
from lightship_cluster.login.links import MyLink, find_link, my_links, status_of
from lightship_cluster.login.progress import tell, tell_failure
from lightship_protocol.causes import OUT_OF_MEMORY
from lightship_protocol.states import ENDED

# The options that may be given anew.
OTHERWISE = ("time", "memory")


def run(asked: Asked, load: Callable[[], SiteSettings]) -> Line:
    """The command line to start."""
    try:
        return _line(asked, load())
    except LightshipError as error:
        if asked.says("json"):
            tell_failure(error)
        raise


def _line(asked: Asked, settings: SiteSettings) -> Line:
    link = _chosen(asked, settings)
    metadata = link.folder.metadata()
    words = _typed_words(link, metadata)
    line = parse(words)
    others = {key: asked.switches[key] for key in OTHERWISE if key in asked.switches}
    if others:
        words = spelled(replace(line, given={**line.given, **others}))
        line = parse(words)
    _return_to(link, str(metadata.get("typed_in") or ""), words)
    quiet, json = asked.says("quiet"), asked.says("json")
    if not (quiet or json):
        print(f"Again: {_command(words)}", file=sys.stderr)
    if "memory" not in others and _ran_out_of_memory(link, settings):
        advice = more_memory(link, settings.choose(line.given, line.preset)["memory"])
        if json:
            tell("note", words=advice)
        elif not quiet:
            print(advice, file=sys.stderr)
    return replace(line, quiet=quiet, json=json)


def _chosen(asked: Asked, settings: SiteSettings) -> MyLink:
    links = my_links(default_root())
    if not links:
        raise LightshipError("You have not started anything yet. start-jupyter does.", ExitStatus.NO_LINK)
    link = find_link(links, asked.name, alive=False) if asked.name else links[0]
    if link.cluster not in ("", settings.cluster):
        raise LightshipError(
            f"{link.name} was started on the cluster {link.cluster}. Start it again there.", ExitStatus.NO_LINK
        )
    # A user who gives a name wants a second one.
    if not asked.name and link.alive and status_of(AgentClient(settings.agent_socket), link).get("state") != ENDED:
        raise LightshipError(
            f"Your last one, {link.name}, has not ended: start-jupyter open {link.name} prints its link. "
            f"To have another one like it: start-jupyter again {link.name}",
            ExitStatus.USAGE,
        )
    return link


def _ran_out_of_memory(link: MyLink, settings: SiteSettings) -> bool:
    ending = ending_of(link)
    if not ending:
        with suppress(LightshipError):  # if the agent does not answer, the start will say so
            ending = note_ending(link, status_of(AgentClient(settings.agent_socket), link))
    return bool(ending) and ending["cause"] == OUT_OF_MEMORY


def more_memory(link: MyLink, mebibytes: int) -> str:
    """How to get more memory; 0 means that no amount was asked for."""
    twice = min(2 * mebibytes, LARGEST_MEMORY)
    more = f"{twice // 1024}G" if twice % 1024 == 0 else f"{twice}M"
    had, say = (f", {humanized_size(mebibytes)}", more) if mebibytes else ("", "16G")
    much = "For twice as much" if mebibytes else "For more, such as 16 GiB"
    return (
        f"{link.name} ran out of memory, and this one gets the same{had}. {much}, stop it and run: "
        f"{PROGRAM} again -m {say} {link.name}"
    )


def _typed_words(link: MyLink, metadata: dict[str, Any]) -> list[str]:
    words = metadata.get("words")
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise LightshipError(
            f"What was typed for {link.name} was not kept: it was too long, looked as if it held a secret, or is of an "
            "older start-jupyter. Type it once more.",
            ExitStatus.NO_LINK,
        )
    return words


def _return_to(link: MyLink, folder: str, words: list[str]) -> None:
    """Go back to the folder where the command was typed: its paths may be relative."""
    if not folder:
        return
    try:
        os.chdir(folder)
    except OSError as error:
        raise LightshipError(
            f"{link.name} was started in {folder}, where you cannot go back to ({error.strerror}). "
            f"Go where it can be started, and type: {_command(words)}",
            ExitStatus.FOLDER,
        ) from error


def _command(words: list[str]) -> str:
    return shlex.join([PROGRAM, *words])
