"""The start of a notebook, step by step."""

from __future__ import annotations

import hashlib
import os
import secrets
import signal
import time
from contextlib import suppress
from typing import Any

from lightship_cluster import environments
from lightship_cluster.agent.client import AgentClient, AgentError
from lightship_cluster.config.settings import SiteSettings
from lightship_cluster.core.durations import humanized
from lightship_cluster.core.errors import ExitStatus, LightshipError
from lightship_cluster.core.link_folder import LinkFolder, check_root, default_root, remove_old
from lightship_cluster.login.command_line import Line
from lightship_cluster.login.follow import STOP, Follower, Submitted, describe_ready
from lightship_cluster.login.plan import Plan
from lightship_cluster.login.progress import progress_for, require_reader
from lightship_cluster.schedulers.base import JobRequest
from lightship_protocol import forms

INTERRUPTS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Launch:
    """One start. Everything is checked first; if the job cannot be submitted, what was made is removed again."""

    def __init__(self, settings: SiteSettings, line: Line) -> None:
        self._settings = settings
        self._line = line
        request = settings.choose(line.given, line.preset)
        self._plan = Plan(settings, request, timed=settings.said("time", line.given, line.preset))
        self._root = default_root()
        self._token = secrets.token_hex(16)
        self._agent = AgentClient(settings.agent_socket)
        self._progress = progress_for(line, self._plan.subject.noun)

    def run(self) -> ExitStatus:
        """Check the request, make the link, submit the job and follow it."""
        plan = self._plan
        with self._progress.waiting("Looking whether that can be started"):
            warnings = plan.check()
            check_root(self._root)
            self._agent.ping()
        # Before the slow steps: after a warning, the user may not want to wait for them.
        self._warn(self._settings.warning, *self._line.doubts, *warnings)
        if not plan.environment.ready:
            self._warn(plan.environment.prepare(plan.interface, os.environ, self._progress.show))
        return self._follow(self._submit())

    def _warn(self, *sentences: str) -> None:
        for sentence in filter(None, sentences):
            self._progress.say(sentence)

    def _submit(self) -> Submitted:
        name, folder, job_id = "", None, ""
        # An interrupt in the middle of a step would leave unknown whether there is a link or a job. So Ctrl-C is held
        # back during these steps and heard between them.
        _hold_interrupts()
        try:
            with self._progress.waiting("Asking for a link"):
                link = self._create()
            name = str(link.get("name"))
            folder = self._make_folder(name, link)
            _hear_interrupts()
            require_reader()
            _hold_interrupts()
            with self._progress.waiting(f"Waiting for {self._plan.scheduler.name} to take the job"):
                submission = self._plan.scheduler.submit(self._request(folder))
            job_id = submission.job_id
            # Not before: without a job the link would lead nowhere.
            self._progress.link(name, f"{link['url']}?token={self._token}")
        except BaseException:
            # Ctrl-C included: a link without a job, or a job without a link, would only use up the user's quota.
            _hold_interrupts()
            if job_id:
                self._cancel_job(job_id)
            if name:
                self._remove_link(name, folder)
            _hear_interrupts()
            raise
        self._note_job(name, job_id, folder)
        remove_old(self._root)
        return Submitted(name, job_id, folder, str(link["url"]), self._plan.subject, submission.remarks)

    def _create(self) -> dict[str, Any]:
        minutes = self._plan.resources.minutes
        try:
            # By the hash of the token, the registry shows the owner's pages only to whoever has the token.
            told = {
                "command": self._line.typed,
                "title": self._plan.request["title"],
                "token_sha256": hashlib.sha256(self._token.encode("ascii")).hexdigest(),
                "subject": self._plan.subject.noun,
            }
            return self._agent.create(minutes * 60, **{key: text for key, text in told.items() if text})
        except AgentError as error:
            if error.code != "bad-request":
                raise
            sentence = f"The registry does not take {humanized(minutes * 60)}: {error.sentence} Give less with -t."
            raise LightshipError(sentence, ExitStatus.REFUSED) from error

    def _make_folder(self, name: str, link: dict[str, Any]) -> LinkFolder:
        if not forms.LINK.fullmatch(name):
            raise LightshipError(
                f"The registry gave an invalid name ({name!r}). Tell your administrators.", ExitStatus.REGISTRY
            )
        plan = self._plan
        metadata = {
            "name": name,
            "url": link["url"],
            "config": str(self._settings.path),
            "cluster": self._settings.cluster,
            "folder": str(plan.folder),
            "scheduler": plan.scheduler_module,
            "minutes": plan.resources.minutes,
            environments.FIELD: plan.environment.metadata(),
            **{key: plan.request[key] for key in ("app", "kernels", "title") if plan.request[key]},
            **self._typed(),
            "created": int(time.time()),
        }
        return LinkFolder.create(self._root, name, metadata, str(link["secret"]), self._token)

    def _typed(self) -> dict[str, Any]:
        """The arguments and the current folder, for `start-jupyter again`; empty if they must not be kept."""
        if not self._line.typed:
            return {}
        with suppress(OSError):  # the folder is gone
            return {"words": self._line.words, "typed_in": os.getcwd()}  # noqa: PTH109 - a text, for JSON
        return {"words": self._line.words}

    def _request(self, folder: LinkFolder) -> JobRequest:
        register = self._settings.prefix / "bin" / "register-jupyter"
        return JobRequest(
            script=self._plan.script,
            arguments=(str(folder.path), str(register)),
            folder=self._plan.folder,
            log=folder.log,
            resources=self._plan.resources,
        )

    def _cancel_job(self, job_id: str) -> None:
        scheduler = self._plan.scheduler
        try:
            scheduler.cancel(job_id)
        except LightshipError as error:
            stop = scheduler.stop_command(job_id)
            self._progress.say(f"Job {job_id} could not be cancelled ({error.sentence}) To stop it: {stop}")

    def _remove_link(self, name: str, folder: LinkFolder | None) -> None:
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
            # The notebook starts all the same, and the follower tells the registry again.
            self._progress.say(f"Job {job_id} is submitted, but the registry could not be told yet: {error.sentence}")

    def _follow(self, job: Submitted) -> ExitStatus:
        scheduler = self._plan.scheduler
        stop = scheduler.stop_command(job.job_id)
        try:
            self._progress.job(job.job_id, str(job.folder.log))
            for remark in job.remarks:
                self._progress.say(f"{scheduler.name} says: {remark}")
            if self._line.info:
                self._progress.say(self._information(job))
            _hear_interrupts()
            status = Follower(self._agent, scheduler, self._progress, job).until_ready()
        except KeyboardInterrupt:
            self._progress.say(f"Your job {job.job_id} goes on; the link opens when it is ready. To stop it: {stop}")
            return ExitStatus.INTERRUPTED
        except BrokenPipeError as error:
            sentence = f"Nobody reads what is printed. Your job {job.job_id} goes on. To stop it: {stop}"
            raise LightshipError(sentence, ExitStatus.INTERRUPTED) from error
        except LightshipError as error:
            # An interrupt here would leave a link without a job.
            _hold_interrupts()
            self._progress.clear()
            self._tidy(error, job)
            raise
        stops = {"stop": stop, "stop_link": f"{STOP} {job.name}"}
        detail = {"name": job.name, "job_id": job.job_id, "expires": status.get("expires"), **stops}
        self._progress.ready(describe_ready(status, job.url, self._plan.subject.noun), detail)
        return ExitStatus.OK

    def _tidy(self, error: LightshipError, job: Submitted) -> None:
        if error.status is not ExitStatus.JOB:
            return  # the job may be running; only its state is unknown
        job.folder.forget_secrets()
        try:
            self._agent.cancel(job.name, f"The job ended before its {self._plan.subject.noun} answered.")
        except AgentError:
            return  # the link ends by itself

    def _information(self, job: Submitted) -> str:
        plan = self._plan
        rows = (
            (f"{plan.scheduler.name} job", job.job_id),
            ("partition", plan.resources.partition or "the default"),
            ("account", plan.resources.account or "your default"),
            ("time", humanized(plan.resources.minutes * 60)),
            ("folder", str(plan.folder)),
            ("batch script", str(plan.script)),
            ("Jupyter", environments.description_of(plan.environment)),
            ("log", str(job.folder.log)),
        )
        return "\n".join(f"    {label:13} {value}" for label, value in rows)


def _hold_interrupts() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, INTERRUPTS)


def _hear_interrupts() -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, INTERRUPTS)
