"""What `start-jupyter` does, step by step."""

from __future__ import annotations

import hashlib
import os
import secrets
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lightship_cluster import environments, preflight
from lightship_cluster.agent_client import AgentClient, AgentError
from lightship_cluster.command_line import Line
from lightship_cluster.environments.interfaces import (
    A_NOTEBOOK,
    A_PROGRAM,
    Interface,
    interface_of,
    other,
    starts_what_is_told,
)
from lightship_cluster.errors import ExitStatus, LightshipError
from lightship_cluster.follow import Follower, Submitted, describe_ready
from lightship_cluster.layers import Wishes
from lightship_cluster.link_folder import LinkFolder, check_root, default_root, remove_old
from lightship_cluster.options import APP, INTERFACES
from lightship_cluster.progress import progress_for
from lightship_cluster.protocol import LINK_NAME
from lightship_cluster.schedulers import find_scheduler, scheduler_of_script
from lightship_cluster.schedulers.base import JobRequest, Resources, Scheduler
from lightship_cluster.settings import SiteSettings

INTERRUPTS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Launch:
    """One start: everything is checked first, and what was made is taken back if the job cannot be submitted."""

    def __init__(self, settings: SiteSettings, line: Line) -> None:
        self._settings = settings
        self._line = line
        self._wishes = settings.choose(line.given, line.preset)
        self._resources = resources_of(self._wishes)
        self._root = default_root()
        self._token = secrets.token_hex(16)
        self._agent = AgentClient(settings.agent_socket)
        self._subject = A_PROGRAM if self._wishes["app"] else A_NOTEBOOK
        self._progress = progress_for(line, self._subject.noun)

    def run(self) -> ExitStatus:
        """Check, make the link, submit the job, follow it."""
        self._folder = preflight.find_folder(self._wishes["folder"])
        scheduler = scheduler_for(self._settings, self._wishes)
        self._script = script_for(self._settings, self._wishes, scheduler)
        self._environment = environment_of(self._wishes)
        interface = interface_for(self._script, self._wishes["app"])
        warning = self._environment.check(interface, os.environ)
        scheduler.check(self._resources, self._script)
        check_root(self._root)
        self._agent.ping()
        if not self._environment.ready:
            warning = self._environment.prepare(interface, os.environ, self._progress.show)
        for sentence in filter(None, (self._settings.warning, warning)):
            self._progress.say(sentence)
        return self._follow(scheduler, self._submit(scheduler))

    def _submit(self, scheduler: Scheduler) -> Submitted:
        link = self._create()
        name = str(link.get("name"))
        folder: LinkFolder | None = None
        try:
            folder = self._make_folder(scheduler, name, link)
            # Interrupted now, nobody would know whether there is a job: Ctrl-C has to wait until its number is known.
            signal.pthread_sigmask(signal.SIG_BLOCK, INTERRUPTS)
            job_id = scheduler.submit(self._request(folder))
        except BaseException:
            # Ctrl-C included: a link without a job would only use up the user's quota.
            self._take_back(name, folder)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, INTERRUPTS)
            raise
        self._note_job(name, job_id, folder)
        return Submitted(name, job_id, folder, self._subject)

    def _create(self) -> dict[str, Any]:
        try:
            # The hash of the token lets its holder, and nobody else, see at the link's address what the owner may see.
            told = {
                "command": self._line.typed,
                "title": self._wishes["title"],
                "token_sha256": hashlib.sha256(self._token.encode("ascii")).hexdigest(),
            }
            return self._agent.create(self._resources.minutes * 60, **{key: text for key, text in told.items() if text})
        except AgentError as error:
            if error.code != "bad-request":
                raise
            minutes = self._resources.minutes
            sentence = f"The registry does not take {minutes} minutes: {error.sentence} Give less with -t."
            raise LightshipError(sentence, ExitStatus.REFUSED) from error

    def _make_folder(self, scheduler: Scheduler, name: str, link: dict[str, Any]) -> LinkFolder:
        if not LINK_NAME.fullmatch(name):
            raise LightshipError(
                f"The registry gave no proper name ({name!r}). Tell your administrators.", ExitStatus.REGISTRY
            )
        remove_old(self._root)
        facts = {
            "name": name,
            "url": link["url"],
            "config": str(self._settings.path),
            "cluster": self._settings.cluster,
            "folder": str(self._folder),
            "scheduler": module_of(scheduler),
            "minutes": self._resources.minutes,
            environments.FACT: self._environment.facts(),
            **({"app": list(self._wishes["app"])} if self._wishes["app"] else {}),
            **({"title": self._wishes["title"]} if self._wishes["title"] else {}),
            "created": int(time.time()),
        }
        folder = LinkFolder.create(self._root, name, facts, str(link["secret"]), self._token)
        self._progress.link(name, f"{link['url']}?token={self._token}")
        return folder

    def _request(self, folder: LinkFolder) -> JobRequest:
        register = self._settings.prefix / "bin" / "register-jupyter"
        return JobRequest(
            script=self._script,
            arguments=(str(folder.path), str(register)),
            folder=self._folder,
            log=folder.log,
            resources=self._resources,
        )

    def _take_back(self, name: str, folder: LinkFolder | None) -> None:
        if folder:
            folder.remove()
        try:
            self._agent.cancel(name, "The job could not be submitted.")
        except AgentError as error:
            self._progress.say(f"The link could not be ended ({error.sentence}) It ends by itself.")

    def _note_job(self, name: str, job_id: str, folder: LinkFolder) -> None:
        try:
            folder.note(job_id=job_id)
        except LightshipError as error:
            self._progress.say(f"Job {job_id} is submitted, but that could not be noted. {error.sentence}")
        try:
            self._agent.set_job(name, job_id)
        except LightshipError as error:
            # The notebook will come up all the same, and the follower tells the registry again.
            self._progress.say(f"Job {job_id} is submitted, but the registry could not be told yet: {error.sentence}")

    def _follow(self, scheduler: Scheduler, job: Submitted) -> ExitStatus:
        stop = scheduler.stop_command(job.job_id)
        self._progress.job(job.job_id, str(job.folder.log))
        if self._line.info:
            self._progress.say(self._information(scheduler, job))
        try:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, INTERRUPTS)
            status = Follower(self._agent, scheduler, self._progress, job).until_ready()
        except KeyboardInterrupt:
            self._progress.say(f"Your job {job.job_id} goes on; the link opens when it is ready. To stop it: {stop}")
            return ExitStatus.INTERRUPTED
        except LightshipError as error:
            self._progress.clear()
            self._tidy(error, job)
            raise
        detail = {"name": job.name, "job_id": job.job_id, "expires": status.get("expires"), "stop": stop}
        self._progress.ready(describe_ready(status, stop, self._subject.noun), detail)
        return ExitStatus.OK

    def _tidy(self, error: LightshipError, job: Submitted) -> None:
        if error.status is not ExitStatus.JOB:
            return  # the job may be well; only we cannot see it
        job.folder.forget_secrets()
        try:
            self._agent.cancel(job.name, f"The job ended before its {self._subject.noun} answered.")
        except AgentError:
            return  # the link ends by itself

    def _information(self, scheduler: Scheduler, job: Submitted) -> str:
        rows = (
            (f"{scheduler.name} job", job.job_id),
            ("partition", self._resources.partition or "the default"),
            ("account", self._resources.account or "your default"),
            ("time", f"{self._resources.minutes} min"),
            ("folder", str(self._folder)),
            ("batch script", str(self._script)),
            ("Jupyter", environments.words_of(self._environment)),
            ("log", str(job.folder.log)),
        )
        return "\n".join(f"    {label:13} {value}" for label, value in rows)


def resources_of(wishes: Wishes) -> Resources:
    """What the job asks of its cluster."""
    same = ("partition", "account", "cores", "memory", "gpus", "nodes", "qos", "reservation", "constraint", "extra")
    return Resources(minutes=wishes["time"], **{name: wishes[name] for name in same})


def environment_of(wishes: Wishes) -> environments.Environment:
    """Where Jupyter comes from."""
    same = ("modules", "venv", "conda", "image", "runtime", "binds")
    # Whoever asks the scheduler for GPUs wants to see them.
    gpu = wishes["gpu"] or bool(wishes["image"] and wishes["gpus"])
    return environments.choose(os.environ, gpu=gpu, **{name: wishes[name] for name in same})


def scheduler_for(settings: SiteSettings, wishes: Wishes) -> Scheduler:
    """The scheduler that was asked for by name, else the one of the batch script, else the one that is found."""
    named, batch = wishes["scheduler"], settings.prefix / "batch"
    if not named and wishes["batch"]:
        named = scheduler_of_script(preflight.find_batch_script(batch, wishes["batch"]), batch)
    return find_scheduler(named)


def script_for(settings: SiteSettings, wishes: Wishes, scheduler: Scheduler) -> Path:
    """The batch script that was asked for, else the scheduler's own for the interface."""
    usual = APP if wishes["app"] else INTERFACES[wishes["interface"]]
    wanted = wishes["batch"] or f"{module_of(scheduler)}/{usual}"
    return preflight.find_batch_script(settings.prefix / "batch", wanted)


def interface_for(script: Path, app: Sequence[str]) -> Interface | None:
    """What the job will start, as far as that is known."""
    if app:
        return other(app[0])
    if starts_what_is_told(script):
        raise LightshipError(
            f"The batch script {script} starts the program that --app names. Give it: --app 'COMMAND'.",
            ExitStatus.USAGE,
        )
    return interface_of(script)


def module_of(scheduler: Scheduler) -> str:
    """What --scheduler calls it, and the folder of its batch scripts: its module's name."""
    return type(scheduler).__module__.rpartition(".")[2]
