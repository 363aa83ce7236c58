"""Checks by one `sinfo` whether a job fits in a partition of Slurm: one that does not would queue for ever."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lightship_cluster.config.values import humanized_size
from lightship_cluster.core.durations import humanized
from lightship_cluster.core.errors import ExitStatus, LightshipError
from lightship_cluster.core.texts import counted, quoted
from lightship_cluster.schedulers.base import Resources
from lightship_cluster.schedulers.own_options import QSUB, SBATCH, Dialect

# The partition, its state and its time limit; then the cores, memory and generic resources of a node.
FORMAT = "%P|%a|%l|%c|%m|%G"
UNLIMITED = 10**9

_PATIENCE = re.compile(r"((?P<days>\d+)-)?((?P<hours>\d+):)?(?P<minutes>\d+):(?P<seconds>\d+)", re.ASCII)
_GPU = re.compile(r"gpu(?::(?P<kind>[^:,(]*[^\d:,(][^:,(]*))?:(?P<number>\d+)", re.ASCII)
_CLOSED = {
    "down": "takes jobs but starts none just now",
    "drain": "takes no more jobs just now",
    "inact": "is switched off just now",
}


@dataclass(frozen=True)
class Nodes:
    """Nodes of one kind in one partition; `gpus` has the number of GPUs by type."""

    partition: str
    default: bool
    state: str
    minutes: int
    cores: int
    memory: int
    gpus: tuple[tuple[str, int], ...] = ()


def parse(text: str) -> list[Nodes]:
    """Read the output of `sinfo`, without lines that cannot be read."""
    return [nodes for nodes in map(_parse, text.splitlines()) if nodes]


def choose(wanted: Resources, script: Path | None, dialect: Dialect) -> Resources:
    """The resources with the partition and the quality of service that Slurm will use, whatever sets them."""

    def chosen(among: Callable[[Dialect, Sequence[str]], str], named: str, variable: str) -> str:
        # In the order of sbatch: the end of its command line first, the script last.
        in_script = (among(kind, kind.directives(script)) for kind in (QSUB, SBATCH))
        sources = (among(dialect, wanted.extra), named, os.environ.get(variable, ""), *in_script)
        return next(filter(None, sources), "")

    return replace(
        wanted,
        partition=chosen(Dialect.partition_in, wanted.partition, "SBATCH_PARTITION"),
        qos=chosen(Dialect.qos_in, wanted.qos, "SBATCH_QOS"),
    )


def check(known: Sequence[Nodes], wanted: Resources) -> str:
    """Refuse a partition that does not exist, is closed, or is too small; name the partitions that fit.

    For the default partition only warn: the site may move a job without a partition to another one.
    """
    names = [name for name in wanted.partition.split(",") if name]
    for name in names:
        _require(name, known)
    if wanted.qos:
        wanted = replace(wanted, minutes=0)  # a quality of service may override the partition's time limit
    chosen = [nodes for nodes in known if nodes.partition in names or (not names and nodes.default)]
    # Of several partitions, Slurm uses the first that can run the job.
    misfits = [misfit for misfit in (_misfit(nodes, wanted) for nodes in chosen) if misfit]
    if not chosen or len(misfits) < len(chosen):
        return ""
    fits = sorted({nodes.partition for nodes in known if not _misfit(nodes, wanted)})
    elsewhere = f" It would fit in: {', '.join(fits)} (choose with -p)." if fits else ""
    # The misfit of the nodes that come closest is the most useful.
    said = max(misfits)
    if names:
        raise LightshipError(
            f"The partition {said.partition} {said.lack}. {said.advice}{elsewhere}", ExitStatus.PARTITION
        )
    return (
        f"Jobs that name no partition go to {said.partition}, which {said.lack}. "
        f"Unless your site sends this job elsewhere, it will not start.{elsewhere or f' {said.advice}'}"
    )


def time_of(text: str) -> int:
    """The minutes of Slurm's `[days-]hours:minutes:seconds`; rounded down, as it is a limit."""
    found = _PATIENCE.fullmatch(text)
    if not found:
        return UNLIMITED
    days, hours, minutes = (int(found[part] or 0) for part in ("days", "hours", "minutes"))
    return (days * 24 + hours) * 60 + minutes


def _parse(line: str) -> Nodes | None:
    parts = [part.strip() for part in line.split("|", 5)]
    if len(parts) != 6 or not parts[0]:
        return None
    name, state, limit, cores, memory, generic = parts
    return Nodes(
        name.rstrip("*"), name.endswith("*"), state, time_of(limit), _number(cores), _number(memory), _gpus(generic)
    )


def _number(text: str) -> int:
    digits = text.rstrip("+")
    return int(digits) if digits.isdigit() and not text.endswith("+") else UNLIMITED


def _gpus(generic: str) -> tuple[tuple[str, int], ...]:
    return tuple((found["kind"] or "", int(found["number"])) for found in _GPU.finditer(generic))


def _require(name: str, known: Sequence[Nodes]) -> None:
    if any(nodes.partition == name for nodes in known):
        return
    listed = sorted({nodes.partition + (" (default)" if nodes.default else "") for nodes in known})
    raise LightshipError(
        f"There is no partition {quoted(name)}. This cluster has: {', '.join(listed)}. Choose one with -p.",
        ExitStatus.PARTITION,
    )


@dataclass(frozen=True, order=True)
class _Misfit:
    """Why a job cannot run on these nodes. The order is by what they lack, and by how much they have of it."""

    rank: int
    amount: int
    partition: str
    lack: str
    advice: str


def _misfit(nodes: Nodes, wanted: Resources) -> _Misfit | None:
    """The first reason why a job cannot run on these nodes, or None."""
    return next(_misfits(nodes, wanted), None)


def _misfits(nodes: Nodes, wanted: Resources) -> Iterator[_Misfit]:
    def misfit(rank: int, amount: int, lack: str, advice: str) -> _Misfit:
        return _Misfit(rank, amount, nodes.partition, lack, advice)

    if nodes.state in _CLOSED:
        yield misfit(0, 0, _CLOSED[nodes.state], "Choose another with -p, or try again later.")
    if wanted.minutes > nodes.minutes:
        limit, asked = humanized(nodes.minutes * 60), humanized(wanted.minutes * 60)
        lack = f"gives {limit} at most, and you asked for {asked}"
        yield misfit(1, nodes.minutes, lack, "Give less with -t.")
    if wanted.cores > nodes.cores:
        lack = f"has no node with {counted(wanted.cores, 'core')}: its nodes have {nodes.cores} at most"
        yield misfit(2, nodes.cores, lack, "Ask for fewer.")
    if wanted.memory > nodes.memory:
        has = f"its nodes have {humanized_size(nodes.memory)} at most"
        lack = f"has no node with {humanized_size(wanted.memory)} of memory: {has}"
        yield misfit(3, nodes.memory, lack, "Ask for less.")
    if wanted.gpus and not _has_gpus(nodes, wanted.gpus):
        has = ", ".join(f"{count} {name}" if name else counted(count, "GPU") for name, count in nodes.gpus)
        lack = f"has no node with {_gpus_asked(wanted.gpus)}: its nodes have {has}" if has else "has no GPUs"
        advice = "Ask for others with -g." if has else "Leave out -g."
        yield misfit(4, sum(count for _, count in nodes.gpus), lack, advice)


def _has_gpus(nodes: Nodes, wanted: str) -> bool:
    kind, number = _kind_and_number(wanted)
    return sum(count for name, count in nodes.gpus if kind in ("", name)) >= number


def _kind_and_number(wanted: str) -> tuple[str, int]:
    """Of `2`, `a100:2` or `a100`."""
    kind, _, number = wanted.rpartition(":")
    return (kind, int(number)) if number.isdigit() else (wanted, 1)


def _gpus_asked(wanted: str) -> str:
    kind, number = _kind_and_number(wanted)
    return f"{counted(number, 'GPU')} of the type {kind}" if kind else counted(number, "GPU")
