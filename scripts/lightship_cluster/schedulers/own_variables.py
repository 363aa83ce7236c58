"""The variables that a user gives a job with qsub's `-v`, among the user's own options and in the script's directives.

Of several `-v` PBS takes the last alone, and one on the command line instead of those in the script: so all of them go
into a single list, beside the job's own two paths.
"""

from __future__ import annotations

import re

from lightship_cluster.schedulers import job_environment
from lightship_cluster.schedulers.base import JobRequest
from lightship_cluster.schedulers.own_options import QSUB, parted

_FLAG = "-v"
# Commas between quotes, and behind a backslash, belong to a value; a quotation that stays open is left to qsub.
_ENTRY = re.compile(r"""(?:[^,'"\\]|\\.|'[^']*'|"(?:[^"\\]|\\.)*"|['"\\])+""", re.DOTALL)
_QUOTES = ("'", '"')


def taken_from(request: JobRequest) -> tuple[dict[str, str], list[str]]:
    """The entries by the names of their variables, as they were typed, and the user's options without them.

    What was typed after `--` counts more than the script, and later more than earlier; nobody sets the two paths.
    """
    options, lists = parted(QSUB.read(request.resources.extra), _FLAG)
    in_script = parted(QSUB.directives(request.script), _FLAG)[1]
    typed = [entry for entries in (*in_script, *lists) for entry in _ENTRY.findall(entries)]
    by_name = {entry.lstrip("\"' ").partition("=")[0].strip("\"' "): entry for entry in typed}
    ours = {job_environment.LINK, job_environment.REGISTER}
    return {name: entry for name, entry in by_name.items() if name not in ours}, options


def for_sbatch(entry: str) -> str:
    """An entry as sbatch takes it: with the quotes around the whole of it, or they would be in the value."""
    name, _, value = entry.partition("=")
    if len(value) > 1 and value[0] == value[-1] and value[0] in _QUOTES:
        return f"{value[0]}{name}={value[1:-1]}{value[0]}"
    return entry
