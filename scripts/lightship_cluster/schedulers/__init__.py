"""The schedulers that Lightship knows: one module each."""

from __future__ import annotations

import re
import shutil
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Callable

from lightship_cluster.config.options import SCHEDULERS
from lightship_cluster.core.errors import ExitStatus, LightshipError
from lightship_cluster.schedulers.base import Scheduler, ask

if TYPE_CHECKING:
    from lightship_cluster.schedulers.pbs_asking import Qstat

Find = Callable[[], Scheduler]

_PBS_VERSION = re.compile(r"^\s*pbs_version\s*=", re.MULTILINE | re.IGNORECASE)
_TORQUE_VERSION = re.compile(r"^\s*version:?\s*\d", re.MULTILINE | re.IGNORECASE)
_WHERE = "Log in to a login node of the cluster, or load the module that has the scheduler's commands."


def find_scheduler(name: str = "", qstat: Qstat | None = None) -> Scheduler:
    """Find the scheduler with this name, or the one whose commands are on PATH; "none" is this machine.

    Args:
        name: one of SCHEDULERS, or empty.
        qstat: runs PBS's qstat; None if this process runs it itself.
    """
    pbs = partial(_pbs, qstat)
    finders: dict[str, Find] = {
        "": partial(_automatic, pbs),
        "slurm": _slurm,
        "pbs": pbs,
        "torque": _torque,
        "none": _here,
    }
    if name not in finders:
        raise LightshipError(
            f"There is no scheduler {name!r}. Lightship knows: {', '.join(SCHEDULERS)}; without a name it is found.",
            ExitStatus.SCHEDULER,
        )
    return finders[name]()


def scheduler_of_script(script: Path, batch: Path) -> str:
    """The scheduler of one of the site's batch scripts, by its folder; empty for a user's own script."""
    if script.parent.parent != batch:
        return ""
    return script.parent.name if script.parent.name in SCHEDULERS else ""


def _automatic(pbs: Find) -> Scheduler:
    # Slurm first: it may also ship Torque's commands, and its own tell more.
    if _has("sbatch", "sinfo"):
        return _slurm()
    if not _has("qsub", "qstat"):
        raise _missing("sbatch and sinfo (Slurm), or qsub and qstat (PBS, Torque)")
    found = _dialect(pbs)
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


def _pbs(qstat: Qstat | None = None) -> Scheduler:
    if not _has("qsub", "qstat"):
        raise _missing("qsub and qstat (PBS)")
    from lightship_cluster.schedulers.pbs import Pbs

    return Pbs(qstat) if qstat else Pbs()


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


def _dialect(pbs: Find = _pbs) -> Find | None:
    """Find whose qstat this is; those of Slurm and Grid Engine have no --version."""
    done = ask(["qstat", "--version"])
    said = done.stdout + done.stderr
    if _PBS_VERSION.search(said):
        return pbs
    return _genuine_torque if _TORQUE_VERSION.search(said) else None


def _has(*commands: str) -> bool:
    return all(shutil.which(command) for command in commands)


def _missing(commands: str) -> LightshipError:
    return LightshipError(f"Not on PATH: {commands}. {_WHERE}", ExitStatus.SCHEDULER)
