"""The interface of every kind of environment, on the login node and in the job."""

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
    """A command and its variables; `cleanup` ends what a signal to the command's process group does not reach."""

    command: tuple[str, ...]
    variables: Variables
    cleanup: tuple[str, ...] = ()
    # A file that exists as soon as the command itself runs, if something slow may have to be done before.
    begun: Path | None = None


class Environment(Protocol):
    """One module for each kind implements this. The job gets it as plain metadata."""

    def metadata(self) -> dict[str, Any]:
        """What the job must know, as values that JSON can hold."""

    def check(self, interface: Interface | None, variables: Variables) -> str:
        """On the login node: refuse what cannot work; return a warning or an empty text."""

    @property
    def ready(self) -> bool:
        """Whether there is nothing to build."""

    def prepare(self, interface: Interface | None, variables: Variables, show: Show) -> str:
        """On the login node, after all checks: build what is missing, which may take long; return a warning or none."""

    def enter(self, variables: Variables) -> dict[str, str]:
        """The variables inside the environment."""

    def wrap(self, start: Start, listen: ListenAddress) -> Start:
        """The command that runs the given command inside the environment."""


class Plain:
    """The defaults of most kinds: nothing to build, and the command does not change."""

    @property
    def ready(self) -> bool:
        """Always true: there is nothing to build."""
        return True

    def prepare(self, interface: Interface | None, variables: Variables, show: Show) -> str:
        """Do nothing: there is nothing to build."""
        del interface, variables, show
        return ""

    def enter(self, variables: Variables) -> dict[str, str]:
        """Return the variables unchanged."""
        return dict(variables)

    def wrap(self, start: Start, listen: ListenAddress) -> Start:
        """Return the command unchanged."""
        del listen
        return start


@dataclass(frozen=True)
class Layers:
    """Two environments, one inside the other: modules, and what needs them."""

    outer: Environment
    inner: Environment

    def metadata(self) -> dict[str, Any]:
        """The metadata of both in one object."""
        return {**self.outer.metadata(), **self.inner.metadata()}

    def check(self, interface: Interface | None, variables: Variables) -> str:
        """Check the outer one, and the inner one inside it."""
        self.outer.check(interface, variables)
        return self.inner.check(interface, self.outer.enter(variables))

    @property
    def ready(self) -> bool:
        """Whether the inner one is ready: modules are never built."""
        return self.inner.ready

    def prepare(self, interface: Interface | None, variables: Variables, show: Show) -> str:
        """Build the inner one inside the outer one."""
        return self.inner.prepare(interface, self.outer.enter(variables), show)

    def enter(self, variables: Variables) -> dict[str, str]:
        """Enter the outer one first."""
        return self.inner.enter(self.outer.enter(variables))

    def wrap(self, start: Start, listen: ListenAddress) -> Start:
        """Wrap the command by the inner one, then by the outer one."""
        return self.outer.wrap(self.inner.wrap(start, listen), listen)


def with_path(variables: Variables, folder: Path) -> dict[str, str]:
    """The variables with a folder first on the PATH."""
    others = [part for part in variables.get("PATH", os.defpath).split(os.pathsep) if part != str(folder)]
    return {**variables, "PATH": os.pathsep.join([str(folder), *others])}


def refused(sentence: str) -> LightshipError:
    """The error for an environment that cannot be used."""
    return LightshipError(sentence, ExitStatus.JUPYTER)
