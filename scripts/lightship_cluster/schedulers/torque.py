"""Torque, with `-l nodes=N:ppn=C`. Its `qstat` has no JSON, and `-x` means XML there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from lightship_cluster.schedulers.base import JobState, Resources
from lightship_cluster.schedulers.pbs import Pbs, clock, number_of_gpus
from lightship_cluster.schedulers.pbs_text import Record


class Torque(Pbs):
    """Torque's commands."""

    name = "Torque"
    batch = "torque"
    # From the manual's table of job exit statuses.
    endings: Mapping[int, str] = {-11: "time-limit", -10: "out-of-memory", -1: "node-failed", -2: "node-failed"}
    # -f means something else here.
    submit_flags: tuple[str, ...] = ()

    def accounted(self, _job_ids: Iterable[str]) -> dict[str, JobState]:
        """Nothing: a finished job is listed for a while with state C, and then no more."""
        return {}

    def _options(self, wanted: Resources) -> list[str]:
        told = {
            "-q": wanted.partition,
            "-A": wanted.account,
            # As the schedulers that go with Torque, Maui and Moab, take it.
            "-W": f"x=FLAGS:ADVRES:{wanted.reservation}" if wanted.reservation else "",
            "-l": ",".join(resources(self.name, wanted)),
        }
        return [word for pair in told.items() if pair[1] for word in pair]

    def _records(self, numbers: list[str], flags: tuple[str, ...]) -> tuple[dict[str, Record], str]:
        return self._printed(numbers, flags)


def resources(scheduler: str, wanted: Resources) -> list[str]:
    """The resources in Torque's syntax; `mem` there is for the whole job on all nodes."""
    gpus = number_of_gpus(scheduler, wanted)
    parts = [
        str(wanted.nodes or 1),
        *([f"ppn={wanted.cores}"] if wanted.cores else []),
        *([f"gpus={gpus}"] if gpus else []),
        *filter(None, [wanted.constraint]),
    ]
    memory = wanted.memory * max(1, wanted.nodes)
    return [
        f"walltime={clock(wanted.minutes)}",
        *([f"nodes={':'.join(parts)}"] if wanted.nodes or len(parts) > 1 else []),
        *([f"mem={memory}mb"] if memory else []),
        *([f"qos={wanted.qos}"] if wanted.qos else []),
    ]
