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
# Not PATH: PBS passes it as PBS_O_PATH, and the batch scripts use that, since a login shell may change PATH.
NAMES = (
    *("CONDA_DEFAULT_ENV", "CONDA_EXE", "CONDA_PREFIX", "MAMBA_EXE", "MAMBA_ROOT_PREFIX", "VIRTUAL_ENV"),
    *("JUPYTER_CONFIG_DIR", "JUPYTER_CONFIG_PATH", "JUPYTER_DATA_DIR", "JUPYTER_PATH"),
    *("LANG", "LC_ALL", "LC_CTYPE", "LD_LIBRARY_PATH", "OPENSSL_CONF", "SSL_CERT_DIR", "SSL_CERT_FILE"),
    *("PYTHONHOME", "PYTHONNOUSERSITE", "PYTHONPATH", "PYTHONUSERBASE"),
    *("LMOD_CMD", "LMOD_DIR", "LOADEDMODULES", "MODULEPATH", "MODULESHOME", "_LMFILES_"),
)
# Variables of a job in which this start runs, which a user's own -V would pass on; and the prefix of directives, which
# our scripts contain.
_OF_ANOTHER_JOB = re.compile(
    r"PBS_(O_|ARRAY|JOB|NODE|TASK|NUM_|VNODE)\w*|PBS_(DPREFIX|ENVIRONMENT|GPUFILE|MICFILE|MOMPORT|NP|QUEUE|WALLTIME)"
)
# Characters that break qsub's list of variables.
_UNSAFE = re.compile(r"[\x00-\x1f,'\"\\]")
# The option of qsub that names variables.
_FLAG = "-v"
# Commas in quotes or after a backslash belong to a value; an open quotation is left to qsub.
_ENTRY = re.compile(r"""(?:[^,'"\\]|\\.|'[^']*'|"(?:[^"\\]|\\.)*"|['"\\])+""", re.DOTALL)
_QUOTES = ("'", '"')


def environment(request: JobRequest, users: Mapping[str, str]) -> dict[str, str]:
    """The environment of qsub: the user's, with the job's two paths and its folder."""
    link, register = request.arguments
    for path in (link, register):
        if _UNSAFE.search(path):
            raise LightshipError(
                f"The scheduler cannot hand the path {path!r} to a job: it has a comma, a quote or a backslash.",
                ExitStatus.LINK_FOLDER,
            )
    # qsub uses PWD if it is correct; then the job starts in the folder by the path that the user gave.
    kept = {name: value for name, value in users.items() if not _OF_ANOTHER_JOB.fullmatch(name)}
    return {**kept, LINK: link, REGISTER: register, "PWD": str(request.folder)}


def names(environment: Mapping[str, str], own: Mapping[str, str]) -> str:
    """The list for `qsub -v`: names without values, which command lines would show, and the user's own entries."""
    kept = (name for name in NAMES if environment.get(name) and not _UNSAFE.search(environment[name]))
    return ",".join([LINK, REGISTER, *(name for name in kept if name not in own), *own.values()])


def own_output_for_qsub(log: Path) -> str:
    """The scheduler's own log for `qsub -o`, which refuses a path that is not ASCII: then nothing is kept."""
    path = str(scheduler_log(log))
    return path if path.isascii() else os.devnull


def users_entries(request: JobRequest) -> tuple[dict[str, str], list[str]]:
    """The user's entries for `-v` by the names of their variables, and the user's options without them.

    Options after `--` override the script, and later ones override earlier ones; the two paths cannot be set.
    """
    options, lists = parted(QSUB.read(request.resources.extra), _FLAG)
    in_script = parted(QSUB.directives(request.script), _FLAG)[1]
    typed = [entry for entries in (*in_script, *lists) for entry in _ENTRY.findall(entries)]
    by_name = {entry.lstrip("\"' ").partition("=")[0].strip("\"' "): entry for entry in typed}
    ours = {LINK, REGISTER}
    return {name: entry for name, entry in by_name.items() if name not in ours}, options


def for_sbatch(entry: str) -> str:
    """An entry for sbatch: with its quotes around the whole entry, otherwise they would be part of the value."""
    name, _, value = entry.partition("=")
    if len(value) > 1 and value[0] == value[-1] and value[0] in _QUOTES:
        return f"{value[0]}{name}={value[1:-1]}{value[0]}"
    return entry
