"""What every kind of environment offers, on the login node and in the job."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Protocol

from lightship_cluster.core.errors import ExitStatus, LightshipError
from lightship_cluster.core.listen_address import ListenAddress
from lightship_cluster.environments.interfaces import Interface

Variables = Mapping[str, str]
Show = Callable[[str], None]


@dataclass(frozen=True)
class Start:
    """What is run and with which variables; `cleanup` ends what a signal to the command's group does not reach."""

    command: tuple[str, ...]
    variables: Variables
    cleanup: tuple[str, ...] = ()
    # A file that is there as soon as the command itself runs, when much may have to be done before it can.
    begun: Path | None = None


class Environment(Protocol):
    """One module for each kind implements this. What it knows travels to the job as plain metadata."""

    def metadata(self) -> dict[str, Any]:
        """What the job must be told, as JSON has it."""

    def check(self, interface: Interface | None, variables: Variables) -> str:
        """On the login node: refuse what cannot work and say why; the answer is a warning or nothing."""

    @property
    def ready(self) -> bool:
        """Whether there is nothing to build."""

    def prepare(self, interface: Interface | None, variables: Variables, show: Show) -> str:
        """On the login node, when all else is checked: build what is missing, however long; a warning or nothing."""

    def enter(self, variables: Variables) -> dict[str, str]:
        """The variables as they are inside."""

    def wrap(self, start: Start, listen: ListenAddress) -> Start:
        """The command that runs the command inside."""


class Plain:
    """What most kinds have in common: nothing to build, and the command stays as it is."""

    @property
    def ready(self) -> bool:
        """Nothing is to be built."""
        return True

    def prepare(self, interface: Interface | None, variables: Variables, show: Show) -> str:
        """Nothing is to be built."""
        del interface, variables, show
        return ""

    def enter(self, variables: Variables) -> dict[str, str]:
        """The variables stay as they are."""
        return dict(variables)

    def wrap(self, start: Start, listen: ListenAddress) -> Start:
        """The command stays as it is."""
        del listen
        return start


@dataclass(frozen=True)
class Layers:
    """Several environments, one inside the other: modules first, then what needs them."""

    outer: Environment
    inner: Environment

    def metadata(self) -> dict[str, Any]:
        """Both in one object."""
        return {**self.outer.metadata(), **self.inner.metadata()}

    def check(self, interface: Interface | None, variables: Variables) -> str:
        """Check the inner one as it is inside the outer one."""
        self.outer.check(interface, variables)
        return self.inner.check(interface, self.outer.enter(variables))

    @property
    def ready(self) -> bool:
        """Only the inner one is ever built."""
        return self.inner.ready

    def prepare(self, interface: Interface | None, variables: Variables, show: Show) -> str:
        """Build it with what the outer one brings."""
        return self.inner.prepare(interface, self.outer.enter(variables), show)

    def enter(self, variables: Variables) -> dict[str, str]:
        """First the outer one."""
        return self.inner.enter(self.outer.enter(variables))

    def wrap(self, start: Start, listen: ListenAddress) -> Start:
        """The outer one is the outermost command too."""
        return self.outer.wrap(self.inner.wrap(start, listen), listen)


def with_path(variables: Variables, folder: Path) -> dict[str, str]:
    """The variables with a folder first on the PATH."""
    others = [part for part in variables.get("PATH", os.defpath).split(os.pathsep) if part != str(folder)]
    return {**variables, "PATH": os.pathsep.join([str(folder), *others])}


def refused(sentence: str) -> LightshipError:
    """The environment cannot be used."""
    return LightshipError(sentence, ExitStatus.JUPYTER)
