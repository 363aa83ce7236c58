"""A filter that compares what users get with the partitions, or queues, that the cluster has."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

# Times are read as the commands read them. Last, so that nothing of Ansible's is found there.
sys.path.append(str(Path(__file__).resolve().parents[3] / "scripts"))

from lightship_cluster.core import durations


def partition_faults(partitions: Mapping[str, Any], wanted: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return a sentence for each partition that is not there, and each time that its partition does not give.

    `partitions` has the longest time of each in minutes, null for none, and is empty where the scheduler said nothing;
    `wanted` has the partition and the time of the defaults and of each preset, by the variable where they are set.
    """
    if not partitions:
        return []
    return [fault for where, values in wanted.items() for fault in _faults(partitions, where, values)]


def _faults(partitions: Mapping[str, Any], where: str, values: Mapping[str, Any]) -> Iterator[str]:
    # Slurm takes several, and starts the job in the first that has room; PBS lets a queue name its server.
    names = [name.partition("@")[0] for name in str(values.get("partition") or "").split(",") if name]
    minutes = minutes_of(str(values.get("time") or ""))
    limits = list(partitions.values())
    if not names and minutes is not None and None not in limits and minutes > max(limits):
        yield f"{where} has {minutes} minutes, and no partition gives more than {max(limits)}. Shorten it."
    for name in names:
        if name not in partitions:
            known = ", ".join(sorted(partitions))
            yield f'{where} names the partition "{name}", and the cluster has {known}. Name one of these, or none.'
            continue
        longest = partitions[name]
        if longest is not None and minutes is not None and minutes > longest:
            yield f"{where} has {minutes} minutes, and the partition {name} gives {longest} at most. Shorten it."


def minutes_of(text: str) -> int | None:
    """Return whole minutes, nothing for no time: the preflight has the commands' own reader say that."""
    try:
        return durations.minutes_of(text)
    except ValueError:
        return None


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., object]]:
        """Return the filters by name."""
        return {"partition_faults": partition_faults}
