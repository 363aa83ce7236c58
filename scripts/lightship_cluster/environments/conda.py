"""Environments of conda, mamba and micromamba, by name or by folder. They are activated without any of the three."""

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
# Where the three are installed when nobody says otherwise.
USUAL_ROOTS = ("miniforge3", "mambaforge", "miniconda3", "anaconda3", "micromamba", ".conda", ".mamba")


@dataclass(frozen=True)
class Conda(Plain):
    """An environment's folder."""

    folder: Path

    def metadata(self) -> dict[str, Any]:
        """Its path."""
        return {"kind": "conda", "path": str(self.folder)}

    def check(self, interface: Interface | None, variables: Variables) -> str:
        """Look into the folder."""
        if not is_folder(self.folder / "conda-meta"):
            raise refused(
                f"{self.folder} is no conda environment: it has no folder 'conda-meta'. Give its name or its folder."
            )
        warning = check_folder(self.folder, interface, variables, f"conda install --prefix {self.folder}")
        self.enter(variables)  # here, or the job would come to its node and find that it cannot
        return warning

    def enter(self, variables: Variables) -> dict[str, str]:
        """What `conda activate` does: PATH, its own variables, the environment's, and its packages' scripts."""
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
    """The folder of an environment's name, as conda would find it."""
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
    """The fastest of the three that is there."""
    path = variables.get("PATH", os.defpath)
    # What the variables name may have been removed since: a shell keeps them for as long as it lives.
    named = filter(None, map(variables.get, ("MAMBA_EXE", "CONDA_EXE")))
    return next(filter(None, (shutil.which(program, path=path) for program in (*PROGRAMS, *named))), None)


def _roots(variables: Variables) -> Iterator[Path]:
    """Folders that hold `envs`."""
    for name in ("MAMBA_ROOT_PREFIX", "CONDA_ROOT"):
        if variables.get(name):
            yield Path(variables[name])
    program = find_program(variables)
    if program:
        yield Path(program).resolve().parent.parent
    for name in ("CONDA_ENVS_PATH", "CONDA_ENVS_DIRS"):
        # The folder that is called `envs` by conda itself may have any name here.
        for folder in filter(None, variables.get(name, "").split(os.pathsep)):
            yield Path(folder).parent if Path(folder).name == "envs" else Path(folder)
    home = absolute(variables.get("HOME") or "~")
    yield from (home / folder for folder in USUAL_ROOTS)


def _listed_folders(variables: Variables) -> Iterator[Path]:
    """The list that conda keeps of all that it ever made for this user, and folders named in the environment."""
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
    """What the program itself says: it reads settings that are not looked at here, and takes its time."""
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
    """What `conda env config vars set` noted, and what packages bring along."""
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
