"""Which of the user's variables go with a job of PBS or Torque.

Slurm takes all of them. Here only those go that are named, and `qstat -f` shows them to other users: so only those that
make up an active environment are named, and none that could hold a secret. Users name more with qsub's `-v`, among
their own options or in the script's directives. Of several `-v` PBS takes the last alone, and one on the command line
instead of those in the script: so all of them go into one list, beside the job's own two paths.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from lightship_cluster.core.errors import ExitStatus, LightshipError
from lightship_cluster.core.job_log import scheduler_log
from lightship_cluster.schedulers.base import JobRequest
from lightship_cluster.schedulers.own_options import QSUB, parted

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
# The option of qsub that names variables.
_FLAG = "-v"
# Commas between quotes, and behind a backslash, belong to a value; a quotation that stays open is left to qsub.
_ENTRY = re.compile(r"""(?:[^,'"\\]|\\.|'[^']*'|"(?:[^"\\]|\\.)*"|['"\\])+""", re.DOTALL)
_QUOTES = ("'", '"')


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


def taken_from(request: JobRequest) -> tuple[dict[str, str], list[str]]:
    """The entries by the names of their variables, as they were typed, and the user's options without them.

    What was typed after `--` counts more than the script, and later more than earlier; nobody sets the two paths.
    """
    options, lists = parted(QSUB.read(request.resources.extra), _FLAG)
    in_script = parted(QSUB.directives(request.script), _FLAG)[1]
    typed = [entry for entries in (*in_script, *lists) for entry in _ENTRY.findall(entries)]
    by_name = {entry.lstrip("\"' ").partition("=")[0].strip("\"' "): entry for entry in typed}
    ours = {LINK, REGISTER}
    return {name: entry for name, entry in by_name.items() if name not in ours}, options


def for_sbatch(entry: str) -> str:
    """An entry as sbatch takes it: with the quotes around the whole of it, or they would be in the value."""
    name, _, value = entry.partition("=")
    if len(value) > 1 and value[0] == value[-1] and value[0] in _QUOTES:
        return f"{value[0]}{name}={value[1:-1]}{value[0]}"
    return entry
