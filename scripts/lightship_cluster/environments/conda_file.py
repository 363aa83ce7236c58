"""Builds a conda environment from an `environment.yml`, once for each content of the file.

It is built on the login node, before the job is submitted: compute nodes often have no access to the internet, the user
sees the progress, and no project is charged for it. A conda environment cannot be moved after the build, because its
programs contain the path of its folder. So it is built in place, and a marker file, created by a rename, says that it
is complete.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lightship_cluster.core.paths import home, is_file
from lightship_cluster.environments.base import Plain, Show, Variables, refused
from lightship_cluster.environments.conda import PROGRAMS, Conda, find_program
from lightship_cluster.environments.interfaces import Interface

# In the file: any of the packages that install Jupyter.
_JUPYTER = re.compile(r"^\s*-\s*(\S+::)?(jupyter|jupyterlab|notebook|nbclassic|voila|jupyter_server)\b", re.MULTILINE)
LAST_LINES = 15


@dataclass(frozen=True)
class CondaFile(Plain):
    """The file, and the folder in which its environment is built."""

    file: Path
    cache: Path
    content: bytes

    @classmethod
    def read(cls, file: Path, cache: Path) -> CondaFile:
        """Read the file once, so that the build has the same content as the hash."""
        try:
            return cls(file, cache, file.read_bytes())
        except OSError as error:
            raise refused(f"Cannot read {file}: {error.strerror}.") from error

    @property
    def folder(self) -> Path:
        """The environment's folder; the same for the same content on the same kind of machine."""
        content = self.content + platform.machine().encode()
        return self.cache / hashlib.sha256(content).hexdigest()[:16]

    @property
    def ready(self) -> bool:
        """Whether the environment is complete, and no other user could have put it there."""
        return is_file(self._mark) and all(map(_own, (self.cache, self.folder, self._mark)))

    @property
    def _mark(self) -> Path:
        return self.folder.with_suffix(".ready")

    def metadata(self) -> dict[str, Any]:
        """The metadata of the built environment: the job sees no difference from any other."""
        return Conda(self.folder).metadata()

    def check(self, interface: Interface | None, variables: Variables) -> str:
        """Check the built environment, or else whether it can be built."""
        if self.ready:
            return Conda(self.folder).check(interface, variables)
        wants_jupyter = interface is None or interface.jupyter
        if wants_jupyter and not _JUPYTER.search(self.content.decode("utf-8", "replace")):
            raise refused(f"{self.file} lists no Jupyter. Add a line such as '  - jupyterlab' to its dependencies.")
        if not find_program(variables):
            raise refused(
                f"To build {self.file} one of {', '.join(PROGRAMS)} is needed, and none is on your PATH. "
                "Load the module that has it with --module."
            )
        return ""

    def prepare(self, interface: Interface | None, variables: Variables, show: Show) -> str:
        """Build the environment, unless another start just has."""
        with self._alone(show):
            if not self.ready:
                self._build(variables, show)
        return Conda(self.folder).check(interface, variables)

    def enter(self, variables: Variables) -> dict[str, str]:
        """Enter the built environment; before the build, the variables stay as they are."""
        return Conda(self.folder).enter(variables) if self.ready else dict(variables)

    @contextmanager
    def _alone(self, show: Show) -> Iterator[None]:
        """Lock the build, also against other hosts; the lock ends with the process that holds it."""
        with _writing(self.cache):
            # The folders above too: under a loose umask, a group could replace the programs in them.
            for folder in (*reversed(self.cache.parents), self.cache):
                folder.mkdir(mode=0o700, exist_ok=True)
            for folder in (self.cache.parent.resolve(), self.cache.resolve()):
                if not _own(folder):
                    raise refused(
                        f"{folder}, where the environment is built, belongs to another user, or others may write in "
                        "it. Set XDG_CACHE_HOME to a folder of your own, or unset it."
                    )
            lock = self.folder.with_suffix(".lock").open("w")
        with lock:
            with _writing(self.cache):
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    show(f"Another start of yours is building {self.file.name}")
                    fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _build(self, variables: Variables, show: Show) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)  # the rest of an interrupted build
        file = self.folder.with_suffix(".yml")
        with _writing(self.cache):
            file.write_bytes(self.content)
        done = False
        try:
            self._run(_command(self.folder, file, variables), variables, show)
            with _writing(self.cache):
                self._mark.with_suffix(".fresh").write_text(f"{self.file}\n", "utf-8")
                self._mark.with_suffix(".fresh").replace(self._mark)
            done = True
        finally:
            if not done:
                shutil.rmtree(self.folder, ignore_errors=True)

    def _run(self, command: list[str], variables: Variables, show: Show) -> None:
        lines: list[str] = []
        with self._started(command, variables) as process:
            try:
                for line in process.stdout or ():
                    lines = [*lines, line.rstrip()][-LAST_LINES:]
                    if line.strip():
                        show(f"Building {self.file.name} (once): {line.strip()}")
            except BaseException:
                os.killpg(process.pid, signal.SIGKILL)
                raise
        if process.returncode:
            said = "\n".join(f"    {line}" for line in lines if line)
            raise refused(f"{Path(command[0]).name} could not build {self.file}. Its last lines:\n{said}")

    def _started(self, command: list[str], variables: Variables) -> subprocess.Popen[str]:
        try:
            # Its own process group, so that all of it can be ended when the user does not want to wait.
            return subprocess.Popen(
                command,
                # Each version has its own variable; nobody is there to answer a question.
                env={**variables, "CONDA_ALWAYS_YES": "true", "MAMBA_ALWAYS_YES": "true"},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                start_new_session=True,
            )
        except OSError as error:
            raise refused(f"Cannot run {command[0]} to build {self.file}: {error.strerror}.") from error


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """Turn a failed write in the folder into a message with the reason."""
    try:
        yield
    except OSError as error:
        raise refused(f"Cannot write in {folder}: {error.strerror}. Free space or make it writable.") from error


def _command(folder: Path, file: Path, variables: Variables) -> list[str]:
    program = find_program(variables) or "conda"
    create = ["create"] if Path(program).name == "micromamba" else ["env", "create"]
    return [program, *create, "--prefix", str(folder), "--file", str(file)]


def default_cache(variables: Variables) -> Path:
    """The user's cache folder, on the home that login nodes and compute nodes share."""
    chosen = variables.get("XDG_CACHE_HOME", "")
    try:
        # The standard says that a path which is not absolute is none.
        base = Path(chosen) if chosen.startswith("/") else home() / ".cache"
    except RuntimeError as error:
        raise refused("You have no home folder here, and environments are built there. Set HOME.") from error
    return base / "lightship" / "conda"


def _own(path: Path) -> bool:
    try:
        found = path.lstat()
    except OSError:
        return False
    return found.st_uid == os.getuid() and not found.st_mode & 0o022
