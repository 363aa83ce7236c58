"""`start-jupyter logs`: prints the log of a link's job."""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from typing import Callable, TextIO

from lightship_cluster.agent.client import AgentClient, AgentError
from lightship_cluster.config.settings import SiteSettings
from lightship_cluster.core.errors import ExitStatus, LightshipError
from lightship_cluster.core.link_folder import default_root
from lightship_cluster.core.texts import cleaned
from lightship_cluster.login.command_line import Asked
from lightship_cluster.login.links import MyLink, find_link, my_links, status_of

POLL_SECONDS, ASK_SECONDS = 0.5, 30.0


def run(asked: Asked, load: Callable[[], SiteSettings]) -> ExitStatus:
    """Print the log; with --follow, until the job has ended."""
    link = find_link(my_links(default_root()), asked.name, alive=False)
    try:
        stream = link.folder.log.open(encoding="utf-8", errors="replace")
    except OSError as error:
        raise LightshipError(f"Cannot read {link.folder.log}: {error.strerror}.", ExitStatus.LINK_FOLDER) from error
    with stream:
        printed = _copy(stream)
        if not printed:
            print(f"Its job has printed nothing{' yet' if link.alive else ''}.", file=sys.stderr)
        if asked.says("follow"):
            _follow(stream, link, AgentClient(load().agent_socket))
    return ExitStatus.OK


def _follow(stream: TextIO, link: MyLink, agent: AgentClient) -> None:
    # A job removes its link's secret last of all. If its node dies, only the registry knows.
    ask = time.monotonic() + ASK_SECONDS
    while link.alive:
        time.sleep(POLL_SECONDS)
        _copy(stream)
        if time.monotonic() > ask:
            ask = time.monotonic() + ASK_SECONDS
            with suppress(AgentError):
                status_of(agent, link)
    _copy(stream)


def _copy(stream: TextIO) -> bool:
    """Print what is new; return whether there was anything."""
    before = stream.tell()
    for chunk in iter(lambda: stream.read(65536), ""):
        sys.stdout.write(cleaned(chunk))
    sys.stdout.flush()
    return stream.tell() > before
