"""A container image: chooses its runtime and what is visible inside, and checks that it has Jupyter."""

from __future__ import annotations

import os
import pkgutil
import re
import shutil
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from subprocess import TimeoutExpired
from typing import Any

from lightship_cluster.core import paths
from lightship_cluster.core.errors import LightshipError
from lightship_cluster.core.listen_address import ListenAddress
from lightship_cluster.core.paths import absolute, is_there
from lightship_cluster.core.programs import run_program
from lightship_cluster.environments import binds as binding
from lightship_cluster.environments.apptainer import Apptainer
from lightship_cluster.environments.base import Plain, Start, Variables, refused
from lightship_cluster.environments.binds import Bind
from lightship_cluster.environments.charliecloud import Charliecloud
from lightship_cluster.environments.interfaces import Interface
from lightship_cluster.environments.jupyters import SERVER, newest, require_new, warning
from lightship_cluster.environments.podman import Podman
from lightship_cluster.environments.runtime import Inside, Runtime, is_unpacked

RUNTIMES: dict[str, Runtime] = {
    "apptainer": Apptainer("apptainer"),
    "singularity": Apptainer("singularity"),
    "podman": Podman(),
    "charliecloud": Charliecloud(),
}
INSPECT_SECONDS = 30.0
BEGUN, SAY_BEGUN = "begun", 'echo >"$0"; exec "$@"'
# Only these may omit the "//": in a name in Podman's own store, a tag or a port follows the ":".
_URI = re.compile(r"([a-z][a-z0-9+.-]*://|(docker-archive|docker-daemon|oci-archive|oci|dir|containers-storage):)\S")
# Apptainer does not support these.
_PODMANS = ("dir:", "containers-storage:")
# Variables of the job that make sense inside. All others would mislead: they name paths of the node's own programs.
_KEPT = re.compile(
    r"(SLURM|PBS|OMP|MKL|OPENBLAS|CUDA|NVIDIA|ROCR|HIP|LC)_\w+|HOME|USER|LOGNAME|LANG|TZ|TERM|(https?|no)_proxy",
    re.IGNORECASE,
)
_OURS = re.compile(r"JUPYTER_(TOKEN_FILE|RUNTIME_DIR|CONFIG_PATH)")


@dataclass(frozen=True)
class Container(Plain):
    """An image, by its path, its name or its URI."""

    image: str
    runtime: str = ""
    binds: tuple[Bind, ...] = ()
    gpu: bool = False

    def metadata(self) -> dict[str, Any]:
        """What the user asked for. The runtime is chosen on the node: the login node may have another one."""
        return {
            "kind": "container",
            "image": self.image,
            "runtime": self.runtime,
            "binds": [bind.text for bind in self.binds],
            "gpu": self.gpu,
        }

    def check(self, interface: Interface | None, variables: Variables) -> str:
        """Refuse an image that does not exist, or has no Jupyter as far as this host can tell."""
        if _is_path(self.image) and not is_there(Path(self.image)):
            raise refused(
                f"There is no image {self.image}. Give the path of a .sif file or of an unpacked folder, or a URI."
            )
        warned = [binding.check_sources(self.binds)]
        found = self._inspect(variables)
        if found is not None:
            warned.append(self._judge(found, interface))
        return "\n".join(filter(None, warned))

    def wrap(self, start: Start, listen: ListenAddress) -> Start:
        """The runtime's command that runs the given command in the image."""
        runtime = self._choose(start.variables)
        named = start.variables.get("HOME", "")
        home = Path(named) if named.startswith("/") else paths.home()
        here = Path.cwd()
        folders = (listen.folder, listen.token_file.parent, here, home)
        visible = [*binding.of_folders(*folders), *self.binds]
        kept = {
            name: value for name, value in start.variables.items() if _KEPT.fullmatch(name) or _OURS.fullmatch(name)
        }
        kept["JUPYTER_CONFIG_PATH"] = str(listen.config.parent)  # the user's own may be for another Jupyter
        # Packages in the home were built for the node's own Python.
        kept["PYTHONNOUSERSITE"] = start.variables.get("PYTHONNOUSERSITE", "1")
        inside = Inside(self.image, tuple(visible), kept, here, home, listen.folder, self.gpu)
        # Fetching and unpacking an image can take longer than Jupyter may take to answer.
        begun = listen.file(BEGUN)
        command = ("/bin/sh", "-c", SAY_BEGUN, str(begun), *start.command)
        return replace(runtime.wrap(replace(start, command=command), inside), begun=begun)

    def _choose(self, variables: Variables) -> Runtime:
        path = variables.get("PATH", os.defpath)
        wanted = [self.runtime] if self.runtime else _fitting(self.image)
        for name in wanted:
            if shutil.which(RUNTIMES[name].program, path=path):
                return RUNTIMES[name]
        programs = " or ".join(RUNTIMES[name].program for name in wanted)
        raise refused(
            f"This host has no {programs} to run {self.image}. Load the module that has it, or choose --runtime."
        )

    def _inspect(self, variables: Variables) -> list[str] | None:
        if _URI.match(self.image):
            return None  # the image would have to be fetched
        try:
            runtime = self._choose(variables)
            script = (pkgutil.get_data(__package__, "inspect_image.sh") or b"").decode("utf-8")
            command = runtime.inspect(self.image, ("/bin/sh", "-c", script, "inspect_image.sh"))
            done = run_program(command, variables, INSPECT_SECONDS)
        except (LightshipError, OSError, TimeoutExpired):
            return None  # login nodes often have no runtime, or do not let users run one
        return done.stdout.split() if done.returncode == 0 else None

    def _judge(self, found: Iterable[str], interface: Interface | None) -> str:
        names = list(found)
        if interface and not interface.jupyter:
            return ""  # the script looks only for Jupyter's own programs
        if interface and "jupyter" not in names:
            raise refused(
                f"The image {self.image} has no 'jupyter' on its PATH. Add it to the image: pip install jupyterlab"
            )
        if interface and interface.program not in names:
            raise refused(
                f"The image {self.image} has no {interface.title}. "
                f"Add it to the image (pip install {interface.package}), or choose another interface."
            )
        how = "in the image, pip install"
        if interface:
            require_new(newest(names, interface.package), interface, how)
        return warning(newest(names, SERVER), how)


def whole_name(image: str) -> str:
    """The image's name for the job; a path becomes absolute."""
    # A bare name never means a folder in the current one: somebody else may have put it there.
    return str(absolute(image)) if _is_path(image) else image


def _is_path(image: str) -> bool:
    named = image.startswith(("/", "./", "../", "~")) or image.endswith((".sif", ".sqfs", ".squashfs", ".img"))
    return named and not _URI.match(image)


def _fitting(image: str) -> list[str]:
    """The runtimes that can run this kind of image, the best first."""
    if is_unpacked(image):
        singular = is_there(Path(image, ".singularity.d"))
        return (
            ["apptainer", "singularity", "charliecloud"] if singular else ["charliecloud", "apptainer", "singularity"]
        )
    if _is_path(image):
        packed = image.endswith((".sqfs", ".squashfs"))
        return ["charliecloud", "apptainer", "singularity"] if packed else ["apptainer", "singularity"]
    if _URI.match(image) and not image.startswith(_PODMANS):
        return ["apptainer", "singularity", "podman"]
    return ["podman", "charliecloud"]
