"""What a start does for a request: `start-jupyter` does it, and the doctor checks whether it could."""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path

from lightship_cluster import environments
from lightship_cluster.config.layers import Request
from lightship_cluster.config.options import APP, INTERFACES
from lightship_cluster.config.settings import SiteSettings
from lightship_cluster.core.errors import ExitStatus, LightshipError
from lightship_cluster.environments.interfaces import (
    A_NOTEBOOK,
    A_PROGRAM,
    Interface,
    Subject,
    interface_of,
    other,
    starts_what_is_told,
)
from lightship_cluster.login import preflight
from lightship_cluster.schedulers import find_scheduler, scheduler_of_script
from lightship_cluster.schedulers.base import Resources, Scheduler

_OF_THE_JOB = ("partition", "account", "cores", "memory", "gpus", "nodes", "qos", "reservation", "constraint", "extra")
_OF_THE_ENVIRONMENT = ("modules", "venv", "conda", "image", "runtime", "binds")


class Plan:
    """The parts of a start. Each is found once, at its first use; a LightshipError says why it cannot be."""

    def __init__(self, settings: SiteSettings, request: Request, *, timed: bool = False) -> None:
        self.request = request
        self._timed = timed
        self._batch = settings.prefix / "batch"

    def check(self) -> tuple[str, ...]:
        """Refuse what cannot work, in the order of a start; return warnings about what is only doubtful."""
        # All parts are found before the first is checked.
        _, scheduler, script, environment = self.folder, self.scheduler, self.script, self.environment
        warnings = (environment.check(self.interface, self.variables), scheduler.check(self.resources, script))
        return tuple(filter(None, warnings))

    @property
    def subject(self) -> Subject:
        """The nouns of messages."""
        return A_PROGRAM if self.request["app"] else A_NOTEBOOK

    @property
    def resources(self) -> Resources:
        """The resources that the job asks for."""
        told = {name: self.request[name] for name in _OF_THE_JOB}
        return Resources(minutes=self.request["time"], timed=self._timed, **told)

    @cached_property
    def folder(self) -> Path:
        """The top folder of the notebook."""
        return preflight.find_folder(self.request["folder"])

    @cached_property
    def variables(self) -> dict[str, str]:
        """The user's variables; relative entries of PATH are below the job's folder, as they will be in the job."""
        entries = os.environ.get("PATH", os.defpath).split(os.pathsep)
        whole = (entry if entry.startswith(os.sep) else str(self.folder / entry) for entry in entries)
        return {**os.environ, "PATH": os.pathsep.join(whole)}

    @cached_property
    def scheduler(self) -> Scheduler:
        """The named scheduler, else that of the batch script, else the one that is found."""
        named = self.request["scheduler"]
        if not named and self.request["batch"]:
            script = preflight.find_batch_script(self._batch, self.request["batch"])
            named = scheduler_of_script(script, self._batch)
        return find_scheduler(named)

    @property
    def scheduler_module(self) -> str:
        """The name of the scheduler's module, which is also its --scheduler name and the folder of its scripts."""
        return type(self.scheduler).__module__.rpartition(".")[2]

    @cached_property
    def script(self) -> Path:
        """The named batch script, else the site's for this scheduler and interface."""
        usual = APP if self.request["app"] else INTERFACES[self.request["interface"]]
        return preflight.find_batch_script(self._batch, self.request["batch"] or f"{self.scheduler_module}/{usual}")

    @cached_property
    def environment(self) -> environments.Environment:
        """Where Jupyter comes from."""
        # A job with GPUs needs them in its container.
        gpu = self.request["gpu"] or bool(self.request["image"] and self.request["gpus"])
        return environments.choose(os.environ, gpu=gpu, **{name: self.request[name] for name in _OF_THE_ENVIRONMENT})

    @cached_property
    def interface(self) -> Interface | None:
        """The interface that the job will start; None if unknown."""
        if self.request["app"]:
            program = self.request["app"][0]
            return other(str(self.folder / program) if os.sep in program and program[0] != os.sep else program)
        if starts_what_is_told(self.script):
            raise LightshipError(
                f"The batch script {self.script} starts the program that --app names. Give it: --app 'COMMAND'.",
                ExitStatus.USAGE,
            )
        return interface_of(self.script)
