"""What the queues of PBS and Torque give, and whether a job fits in."""

from __future__ import annotations

from collections.abc import Mapping

from lightship_cluster.durations import words_of
from lightship_cluster.errors import ExitStatus, LightshipError
from lightship_cluster.schedulers import pbs_text
from lightship_cluster.schedulers.base import Resources
from lightship_cluster.schedulers.pbs_text import Record
from lightship_cluster.texts import counted, quoted
from lightship_cluster.values import size_words

_CLOSED = (("enabled", "takes no jobs just now"), ("started", "takes jobs but starts none just now"))


def check(queues: Mapping[str, Record], wanted: Resources) -> None:
    """Refuse a queue that is not there, closed, or too small, and name those that would do."""
    name = wanted.partition
    if name not in queues:
        there = ", ".join(sorted(queues))
        raise _refused(f"There is no queue {quoted(name)}. This cluster has: {there}. Choose one with -p.")
    trouble = _trouble(name, queues[name], wanted)
    if trouble:
        fits = sorted(other for other in queues if not _trouble(other, queues[other], wanted))
        elsewhere = f" It would fit in: {', '.join(fits)} (choose with -p)." if fits else ""
        raise _refused(f"{trouble}{elsewhere}")


def _trouble(name: str, queue: Record, wanted: Resources) -> str:
    where = f"The queue {name}"
    for attribute, words in _CLOSED:
        if queue.get(attribute) == "False":
            return f"{where} {words}. Choose another with -p, or try again later."
    limit = pbs_text.seconds_of(queue.get("resources_max.walltime", ""))
    if 0 <= limit < wanted.minutes * 60:
        asked = words_of(wanted.minutes * 60)
        return f"{where} gives {words_of(limit)} at most, and you asked for {asked}. Give less with -t."
    nodes = max(1, wanted.nodes)
    cores = queue.get("resources_max.ncpus", "")
    if cores.isdigit() and wanted.cores * nodes > int(cores):
        return f"{where} gives {counted(int(cores), 'core')} to a job at most. Ask for fewer."
    memory = pbs_text.mebibytes_of(queue.get("resources_max.mem", ""))
    if 0 <= memory < wanted.memory * nodes:
        return f"{where} gives {size_words(memory)} of memory to a job at most. Ask for less."
    return ""


def _refused(sentence: str) -> LightshipError:
    return LightshipError(sentence, ExitStatus.PARTITION)
