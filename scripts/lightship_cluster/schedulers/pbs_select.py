"""Merges the resources of a PBS job and the user's own `-l` after `--` into the one `-l select=` that PBS takes.

Of several select statements PBS uses only the last, and it refuses a select statement together with chunk resources
outside it, such as `-l mem=1gb`. The site's batch scripts have a select statement.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from lightship_cluster.core.errors import ExitStatus, LightshipError
from lightship_cluster.schedulers.base import Resources
from lightship_cluster.schedulers.own_options import QSUB, parted

_SELECT = "select"
# Commas in quotes belong to a value.
_ENTRY = re.compile(r"""(?:[^,'"]|'[^']*'|"[^"]*"|['"])+""")
# The resources of a chunk in PBS itself; sites may define more.
_OF_A_CHUNK = {
    *("accelerator", "accelerator_memory", "aoe", "arch", "eoe", "hbmem", "host", "mem", "mpiprocs", "naccelerators"),
    *("ncpus", "ngpus", "ompthreads", "vmem", "vnode"),
}
# Our options for them, for the message of a refusal.
_FLAGS = {"ncpus": "-c", "mem": "-m", "ngpus": "--gpus"}


@dataclass(frozen=True)
class Chosen:
    """The values for `-l`, the user's other options, and a warning."""

    resources: tuple[str, ...]
    options: tuple[str, ...]
    warning: str = ""


def choose(wanted: Resources, chunk: dict[str, str], extra: Sequence[str]) -> Chosen:
    """Merge the job's resources and the options after `--`.

    Args:
        wanted: the job's resources.
        chunk: the resources of a node by PBS's names.
        extra: the user's own options.
    """
    options, lists = parted(QSUB.read(extra), "-l")
    entries = [entry.strip() for words in lists for entry in _ENTRY.findall(words)]
    selects = [entry.partition("=")[2] for entry in entries if _name(entry) == _SELECT]
    loose = [entry for entry in entries if _name(entry) in _OF_A_CHUNK]
    others = [entry for entry in entries if _name(entry) != _SELECT and entry not in loose]
    _refuse_nodes(entries)
    ours = _merged(chunk, loose, "-l ")
    select, warning = _select(wanted, ours, selects)
    return Chosen((*([f"{_SELECT}={select}"] if select else []), *others), tuple(options), warning)


def _select(wanted: Resources, ours: dict[str, str], selects: Sequence[str]) -> tuple[str, str]:
    constraint = [wanted.constraint] if wanted.constraint else []
    if not selects:
        parts = [*_written(ours), *constraint]
        return ":".join([str(wanted.nodes or 1), *parts]) if parts or wanted.nodes else "", ""
    theirs = selects[-1]
    if "+" in theirs:
        unused = ":".join([*([str(wanted.nodes)] if wanted.nodes else []), *_written(ours), *constraint])
        said = f"-l {_SELECT}={theirs} stands behind -- and is taken as it is: {unused} is not asked for."
        return theirs, said if unused else ""
    count, *parts = theirs.split(":") if theirs[:1].isdigit() else ["", *theirs.split(":")]
    if count and wanted.nodes and int(count) != wanted.nodes:
        raise _twice(f"--nodes {wanted.nodes}", f"{_SELECT}={theirs}")
    merged = _merged(ours, parts, f"{_SELECT}=")
    return ":".join([count or str(wanted.nodes or 1), *_written(merged), *constraint]), ""


def _merged(ours: dict[str, str], entries: Sequence[str], where: str) -> dict[str, str]:
    """Merge the entries; refuse two values for one resource."""
    merged = dict(ours)
    for entry in entries:
        name, _, value = entry.partition("=")
        if merged.get(name, value) != value:
            raise _twice(f"{_FLAGS.get(name, '-l')} ({name}={merged[name]})", f"{where}{entry}")
        merged[name] = value
    return merged


def _refuse_nodes(entries: Sequence[str]) -> None:
    nodes = next((entry for entry in entries if _name(entry) == "nodes"), "")
    if nodes:
        raise LightshipError(
            f"PBS takes no -l {nodes} beside a select statement, which the batch scripts have. Give --nodes and -c, or "
            f"-l select= behind --.",
            ExitStatus.USAGE,
        )


def _twice(ours: str, theirs: str) -> LightshipError:
    return LightshipError(
        f"The job is asked for with {ours} and, behind --, with {theirs}: PBS takes one of them. Leave one out.",
        ExitStatus.USAGE,
    )


def _name(entry: str) -> str:
    return entry.partition("=")[0].strip()


def _written(chunk: dict[str, str]) -> list[str]:
    return [f"{name}={value}" for name, value in chunk.items()]
