"""The schedulers that Lightship knows: one module each."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

from lightship_cluster.errors import ExitStatus, LightshipError
from lightship_cluster.options import SCHEDULERS
from lightship_cluster.schedulers.base import Scheduler, ask

_PBS_VERSION = re.compile(r"^\s*pbs_version\s*=", re.MULTILINE | re.IGNORECASE)
_TORQUE_VERSION = re.compile(r"^\s*version:?\s*\d", re.MULTILINE | re.IGNORECASE)
_WHERE = "Log in to a login node of the cluster, or load the module that has the scheduler's commands."


def find_scheduler(name: str = "") -> Scheduler:
    """The scheduler of that name, or the one whose commands are on PATH; "none" is this machine."""
    find = {"": _automatic, "slurm": _slurm, "pbs": _pbs, "torque": _torque, "none": _here}.get(name)
    if not find:
        raise LightshipError(
            f"There is no scheduler {name!r}. Lightship knows: {', '.join(SCHEDULERS)}; without a name it is found.",
            ExitStatus.SCHEDULER,
        )
    return find()


def scheduler_of_script(script: Path, batch: Path) -> str:
    """The scheduler that one of the site's batch scripts is for, by its folder; nothing for a user's own script."""
    if script.parent.parent != batch:
        return ""
    return script.parent.name if script.parent.name in SCHEDULERS else ""


def _automatic() -> Scheduler:
    # Slurm first: where it ships Torque's commands too, its own say more.
    if _has("sbatch", "sinfo"):
        return _slurm()
    if not _has("qsub", "qstat"):
        raise _missing("sbatch and sinfo (Slurm), or qsub and qstat (PBS, Torque)")
    found = _dialect()
    if not found:
        raise LightshipError(
            "There are qsub and qstat on PATH, but they are neither PBS's nor Torque's (by what qstat --version says). "
            "Lightship does not know this scheduler; ask your administrators.",
            ExitStatus.SCHEDULER,
        )
    return found()


def _slurm() -> Scheduler:
    if not _has("sbatch", "sinfo"):
        raise _missing("sbatch and sinfo (Slurm)")
    from lightship_cluster.schedulers.slurm import Slurm

    return Slurm()


def _pbs() -> Scheduler:
    if not _has("qsub", "qstat"):
        raise _missing("qsub and qstat (PBS)")
    from lightship_cluster.schedulers.pbs import Pbs

    return Pbs()


def _torque() -> Scheduler:
    if not _has("qsub", "qstat"):
        raise _missing("qsub and qstat (Torque)")
    if _has("sbatch", "sinfo") and not _dialect():
        from lightship_cluster.schedulers.torque import SlurmTorque

        return SlurmTorque()
    return _genuine_torque()


def _genuine_torque() -> Scheduler:
    from lightship_cluster.schedulers.torque import Torque

    return Torque()


def _here() -> Scheduler:
    from lightship_cluster.schedulers.none import Here

    return Here()


def _dialect() -> Callable[[], Scheduler] | None:
    """Whose qstat it is; Slurm's and Grid Engine's know no --version."""
    done = ask(["qstat", "--version"])
    said = done.stdout + done.stderr
    if _PBS_VERSION.search(said):
        return _pbs
    return _genuine_torque if _TORQUE_VERSION.search(said) else None


def _has(*commands: str) -> bool:
    return all(shutil.which(command) for command in commands)


def _missing(commands: str) -> LightshipError:
    return LightshipError(f"Not on PATH: {commands}. {_WHERE}", ExitStatus.SCHEDULER)
