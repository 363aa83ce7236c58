"""Environments of conda, mamba and micromamba, by name or by folder, activated without any of these programs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lightship_cluster.core.paths import absolute, is_folder, matches
from lightship_cluster.core.programs import run_program
from lightship_cluster.core.texts import quoted
from lightship_cluster.environments.base import Plain, Variables, refused, with_path
from lightship_cluster.environments.interfaces import Interface
from lightship_cluster.environments.jupyters import check_folder
from lightship_cluster.environments.shells import never_began, run_script

PROGRAMS = ("mamba", "micromamba", "conda")
TIMEOUT_SECONDS = 60.0
LONGEST_WORDS = 300
# Where these programs are installed by default.
USUAL_ROOTS = ("miniforge3", "mambaforge", "miniconda3", "anaconda3", "micromamba", ".conda", ".mamba")


@dataclass(frozen=True)
class Conda(Plain):
    """An environment's folder."""

    folder: Path

    def metadata(self) -> dict[str, Any]:
        """The path of the environment."""
        return {"kind": "conda", "path": str(self.folder)}

    def check(self, interface: Interface | None, variables: Variables) -> str:
        """Check the folder and activate the environment once."""
        if not is_folder(self.folder / "conda-meta"):
            raise refused(
                f"{self.folder} is no conda environment: it has no folder 'conda-meta'. Give its name or its folder."
            )
        warning = check_folder(self.folder, interface, variables, f"conda install --prefix {self.folder}")
        self.enter(variables)  # a failure here is better than one in the job
        return warning

    def enter(self, variables: Variables) -> dict[str, str]:
        """Do what `conda activate` does: set PATH and variables, and run the scripts of packages."""
        level = variables.get("CONDA_SHLVL", "0")
        entered = with_path(variables, self.folder / "bin")
        entered.update(
            {
                "CONDA_PREFIX": str(self.folder),
                "CONDA_DEFAULT_ENV": self.folder.name if self.folder.parent.name == "envs" else str(self.folder),
                "CONDA_SHLVL": str(int(level) + 1 if level.isdigit() else 1),
                **_own_variables(self.folder),
            }
        )
        scripts = self.folder / "etc" / "conda" / "activate.d"
        if not matches(scripts, "*.sh"):
            return entered
        done = run_script("activate_conda.sh", [str(self.folder)], entered)
        if not done.began:
            raise never_began(f"activate the environment {self.folder}")
        if not done.variables:
            last = f" ({' '.join(done.said.split())[-LONGEST_WORDS:]})" if done.said.strip() else ""
            raise refused(
                f"The environment {self.folder} cannot be activated: a script in {scripts} ended the shell with status "
                f"{done.status}{last}. Remove the line that does, such as an exit or a set -u, or the package that "
                "brought the script."
            )
        return done.variables


def find_environment(name: str, variables: Variables) -> Path:
    """Find the folder of an environment by name, as conda would."""
    known: dict[str, Path] = {}
    for root in _roots(variables):
        if name == "base" and is_folder(root / "conda-meta"):
            return root
        for folder in matches(root / "envs", "*/conda-meta"):
            known.setdefault(folder.parent.name, folder.parent)
    for folder in _listed_folders(variables):
        known.setdefault(folder.name, folder)
    if name not in known:
        known.update({folder.name: folder for folder in _asked(variables) if folder.name not in known})
    if name not in known:
        names = ", ".join(sorted(known)) or "none"
        absent = f"There is no conda environment {quoted(name)}."
        raise refused(f"{absent} You have: {names}. Name one of them, or give its path.")
    return known[name]


def find_program(variables: Variables) -> str | None:
    """The fastest of the three programs that is installed."""
    path = variables.get("PATH", os.defpath)
    # A program that the variables name may have been removed since the shell set them.
    named = filter(None, map(variables.get, ("MAMBA_EXE", "CONDA_EXE")))
    return next(filter(None, (shutil.which(program, path=path) for program in (*PROGRAMS, *named))), None)


def _roots(variables: Variables) -> Iterator[Path]:
    """The folders that may have a folder `envs`."""
    for name in ("MAMBA_ROOT_PREFIX", "CONDA_ROOT"):
        if variables.get(name):
            yield Path(variables[name])
    program = find_program(variables)
    if program:
        yield Path(program).resolve().parent.parent
    for name in ("CONDA_ENVS_PATH", "CONDA_ENVS_DIRS"):
        # Here the folder of environments may have another name than `envs`.
        for folder in filter(None, variables.get(name, "").split(os.pathsep)):
            yield Path(folder).parent if Path(folder).name == "envs" else Path(folder)
    home = absolute(variables.get("HOME") or "~")
    yield from (home / folder for folder in USUAL_ROOTS)


def _listed_folders(variables: Variables) -> Iterator[Path]:
    """The environments in folders that variables name, and in conda's list of all that it made for this user."""
    for name in ("CONDA_ENVS_PATH", "CONDA_ENVS_DIRS"):
        for folder in filter(None, variables.get(name, "").split(os.pathsep)):
            yield from (found.parent for found in matches(Path(folder), "*/conda-meta"))
    listed = absolute(variables.get("HOME") or "~") / ".conda" / "environments.txt"
    try:
        lines = listed.read_text("utf-8", "replace").splitlines()
    except OSError:
        return
    folders = (Path(line.strip()) for line in lines if line.strip())
    yield from (folder for folder in folders if is_folder(folder / "conda-meta"))


def _asked(variables: Variables) -> list[Path]:
    """The environments that the program lists: it reads more settings than this module, and is slow."""
    program = find_program(variables)
    if not program:
        return []
    try:
        done = run_program([program, "env", "list", "--json"], variables, TIMEOUT_SECONDS)
        found = json.loads(done.stdout)["envs"]
    except (OSError, ValueError, KeyError, TypeError, subprocess.TimeoutExpired):
        return []
    return [Path(folder) for folder in found if isinstance(folder, str)]


def _own_variables(folder: Path) -> dict[str, str]:
    """The variables that `conda env config vars set` and packages set."""
    found: dict[str, str] = {}
    for file in matches(folder / "etc" / "conda" / "env_vars.d", "*.json"):
        found.update(_strings(file, ""))
    found.update(_strings(folder / "conda-meta" / "state", "env_vars"))
    return found


def _strings(file: Path, key: str) -> dict[str, str]:
    try:
        value = json.loads(file.read_text("utf-8"))
        pairs = value.get(key, {}) if key else value
        return {str(name): text for name, text in pairs.items() if isinstance(text, str)}
    except (OSError, ValueError, AttributeError):
        return {}
