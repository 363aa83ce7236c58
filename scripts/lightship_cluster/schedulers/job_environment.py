"""What of the user's environment goes with a job of PBS or Torque.

Slurm takes all of it. Here nothing goes that is not named, and what goes is shown to other users by `qstat -f`: so only
what makes up an active environment is named, and nothing that could hold a secret.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from lightship_cluster.core.errors import ExitStatus, LightshipError
from lightship_cluster.core.job_log import scheduler_log
from lightship_cluster.schedulers.base import JobRequest

LINK, REGISTER = "LIGHTSHIP_LINK", "LIGHTSHIP_REGISTER"
# PATH comes as PBS_O_PATH, and the batch scripts take it from there: a login shell may have made another one.
NAMES = (
    *("CONDA_DEFAULT_ENV", "CONDA_EXE", "CONDA_PREFIX", "MAMBA_EXE", "MAMBA_ROOT_PREFIX", "VIRTUAL_ENV"),
    *("JUPYTER_CONFIG_DIR", "JUPYTER_CONFIG_PATH", "JUPYTER_DATA_DIR", "JUPYTER_PATH"),
    *("LANG", "LC_ALL", "LC_CTYPE", "LD_LIBRARY_PATH", "OPENSSL_CONF", "SSL_CERT_DIR", "SSL_CERT_FILE"),
    *("PYTHONHOME", "PYTHONNOUSERSITE", "PYTHONPATH", "PYTHONUSERBASE"),
    *("LMOD_CMD", "LMOD_DIR", "LOADEDMODULES", "MODULEPATH", "MODULESHOME", "_LMFILES_"),
)
# Of a job around this start, which a user's own -V would hand on; and the mark of directives, which our scripts have.
_OF_ANOTHER_JOB = re.compile(
    r"PBS_(O_|ARRAY|JOB|NODE|TASK|NUM_|VNODE)\w*|PBS_(DPREFIX|ENVIRONMENT|GPUFILE|MICFILE|MOMPORT|NP|QUEUE|WALLTIME)"
)
# What qsub's lists of variables would break at.
_UNSAFE = re.compile(r"[\x00-\x1f,'\"\\]")


def environment(request: JobRequest, users: Mapping[str, str]) -> dict[str, str]:
    """The environment in which qsub runs: the user's, with the job's two paths and its folder."""
    link, register = request.arguments
    for path in (link, register):
        if _UNSAFE.search(path):
            raise LightshipError(
                f"The scheduler cannot hand the path {path!r} to a job: it has a comma, a quote or a backslash.",
                ExitStatus.LINK_FOLDER,
            )
    # qsub believes PWD if it is right, and then the job begins in the folder by the name that the user gave.
    kept = {name: value for name, value in users.items() if not _OF_ANOTHER_JOB.fullmatch(name)}
    return {**kept, LINK: link, REGISTER: register, "PWD": str(request.folder)}


def names(environment: Mapping[str, str], own: Mapping[str, str]) -> str:
    """The list for `qsub -v`: names alone, so that no value is on a command line, and then the user's own entries."""
    kept = (name for name in NAMES if environment.get(name) and not _UNSAFE.search(environment[name]))
    return ",".join([LINK, REGISTER, *(name for name in kept if name not in own), *own.values()])


def own_output_for_qsub(log: Path) -> str:
    """The scheduler's own log as `qsub -o` takes it: it refuses a path beyond ASCII, and then nothing is kept."""
    path = str(scheduler_log(log))
    return path if path.isascii() else os.devnull
