"""`start-jupyter stop`: ends a link and its job."""

from __future__ import annotations

import sys
import time
from typing import Callable

from lightship_cluster.agent.client import AgentClient, AgentError
from lightship_cluster.config.settings import SiteSettings
from lightship_cluster.core.errors import ExitStatus, LightshipError
from lightship_cluster.core.link_folder import default_root
from lightship_cluster.login.command_line import Asked
from lightship_cluster.login.links import MyLink, find_link, my_links, status_of
from lightship_cluster.schedulers import find_scheduler
from lightship_cluster.schedulers.base import JobState, Scheduler
from lightship_protocol.causes import STOPPED_BY_COMMAND
from lightship_protocol.states import ENDED

REASON = STOPPED_BY_COMMAND
# A job of this machine may take as long to end as Jupyter does.
GONE_SECONDS, POLL_SECONDS = 30.0, 0.3
# The states in Slurm and PBS of a job that is ending on its node.
_ENDING = {"COMPLETING", "STAGE_OUT", "E"}


def run(asked: Asked, load: Callable[[], SiteSettings]) -> ExitStatus:
    """Stop the named link, the newest after a question, or all; raise the first error at the end."""
    settings = load()
    agent = AgentClient(settings.agent_socket)
    failed: LightshipError | None = None
    chosen = _chosen(asked, settings, my_links(default_root()))
    if asked.says("all") and not chosen:
        print("You have no link to stop on this cluster.")
    for link in chosen:
        try:
            print(_stop(agent, settings, link))
        except LightshipError as error:
            failed = failed or error
    if failed:
        raise failed
    return ExitStatus.OK


def _chosen(asked: Asked, settings: SiteSettings, links: list[MyLink]) -> list[MyLink]:
    if asked.says("all"):
        if asked.name:
            raise LightshipError("Give a name or --all, not both.", ExitStatus.USAGE)
        # Links of other clusters with the same home are stopped there.
        return [link for link in links if link.alive and link.cluster in ("", settings.cluster)]
    link = find_link(links, asked.name)
    return [link] if asked.name or _agreed(link) else []


def _agreed(link: MyLink) -> bool:
    if not (sys.stdin and sys.stdin.isatty()):
        raise LightshipError(f"Which one? Name it: start-jupyter stop {link.name}", ExitStatus.USAGE)
    print(f"Stop {link.name}{_job(link)}? [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _stop(agent: AgentClient, settings: SiteSettings, link: MyLink) -> str:
    if link.cluster not in ("", settings.cluster):
        raise LightshipError(f"{link.name} runs on the cluster {link.cluster}. Stop it there.", ExitStatus.NO_LINK)
    lost: AgentError | None = None
    ended = False
    try:
        ended = status_of(agent, link).get("state") == ENDED
        if not ended:
            # The link first, so that no request reaches a Jupyter that is shutting down.
            agent.cancel(link.name, REASON)
    except AgentError as error:
        lost = error  # without its job the link ends by itself
    # A link that was ended on its page may still have a job in the queue.
    if link.job_id:
        stop_job(find_scheduler(link.scheduler), link.job_id)
    if lost:
        too = f" Job {link.job_id} was stopped all the same, and the link ends with it." if link.job_id else ""
        raise AgentError(f"{lost.sentence}{too}", lost.status)
    link.folder.forget_secrets()
    return f"{link.name}{_job(link)} {'had ended already' if ended else 'is stopped'}."


def _job(link: MyLink) -> str:
    return f" (job {link.job_id})" if link.job_id else ""


def stop_job(scheduler: Scheduler, job_id: str) -> None:
    """Cancel the job and return when it ends; an error if it stays, since the command may have cancelled none."""
    scheduler.cancel(job_id)
    deadline = time.monotonic() + GONE_SECONDS
    while job := _alive(scheduler, job_id):
        if time.monotonic() > deadline:
            raise LightshipError(
                f"Job {job_id} was told to stop but runs on after {GONE_SECONDS:.0f} s: {scheduler.phrase(job)}. "
                f"To stop it: {scheduler.stop_command(job_id)}",
                ExitStatus.SCHEDULER,
            )
        time.sleep(POLL_SECONDS)


def _alive(scheduler: Scheduler, job_id: str) -> JobState | None:
    try:
        job = scheduler.job_states([job_id]).get(job_id)
    except LightshipError:
        return None  # cancelled without an error, and its state cannot be seen
    return None if not job or scheduler.over(job.state) or job.state in _ENDING else job
