"""The schedulers that Lightship knows: one module each."""

from __future__ import annotations

import shutil

from lightship_cluster.errors import ExitStatus, LightshipError
from lightship_cluster.schedulers.base import Scheduler


def find_scheduler(name: str = "") -> Scheduler:
    """The scheduler of this name, or the one whose commands are on PATH."""
    if name in ("", "slurm") and all(shutil.which(command) for command in ("sbatch", "sinfo")):
        from lightship_cluster.schedulers.slurm import Slurm

        return Slurm()
    raise LightshipError(
        "Slurm's commands (sbatch, sinfo) are not on PATH. Log in to a login node, or load Slurm's module.",
        ExitStatus.SCHEDULER,
    )
