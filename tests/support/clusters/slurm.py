"""The cluster of the bed with Slurm."""

from __future__ import annotations

import re
from dataclasses import dataclass

from support import bed
from support.clusters.base import HELD, RUNS, WAITS, Cluster, Job

_STATES = {"PENDING": WAITS, "CONFIGURING": RUNS, "RUNNING": RUNS, "SUSPENDED": RUNS}
_FIELDS = "%T|%N|%P|%l|%a|%C|%r"
_TIME = re.compile(r"(?:(\d+)-)?(?:(\d+):)?(\d+):(\d\d)")


@dataclass(frozen=True)
class Slurm(Cluster):
    """The cluster, by the commands of Slurm."""

    def jobs_of(self, user: str) -> set[str]:
        return set(bed.run(self.login, f"squeue -h -u {user} -t {','.join(_STATES)} -o %i").stdout.split())

    def job(self, number: str) -> Job | None:
        said = bed.run(self.login, f"squeue -h -j {number} -o '{_FIELDS}'", check=False).stdout.strip()
        if said.partition("|")[0] not in _STATES:
            return None
        state, node, partition, limit, account, cores, reason = said.split("|")
        return Job(
            HELD if reason == "JobHeldUser" else _STATES[state],
            node,
            partition,
            _minutes(limit),
            account.replace("(null)", ""),
            int(cores),
        )

    def cancel(self, *numbers: str) -> None:
        bed.run(self.login, f"scancel {' '.join(numbers)}")

    def release(self, number: str) -> None:
        bed.run(self.login, f"scontrol release {number}")

    def with_text(self, quoted: str) -> str:
        return f"sbatch --hold --time=1 --output=/dev/null --job-name={quoted} --comment={quoted} --wrap=true"

    def on(self, node: str) -> str:
        return f"--nodelist={node}"

    def drain(self) -> None:
        bed.run(self.login, f"scontrol update nodename={','.join(self.nodes)} state=drain reason=test")

    def resume(self) -> None:
        bed.run(self.login, f"scontrol update nodename={','.join(self.nodes)} state=resume")

    def lose(self, node: str) -> None:
        bed.engine("pause", f"lightship-{node}")
        bed.run(self.login, f"scontrol update nodename={node} state=down reason=test")

    def bring_back(self, node: str) -> None:
        bed.engine("unpause", f"lightship-{node}")

        # slurmd registers by itself when it runs on, and Slurm refuses to resume a node that is back already.
        def is_back() -> bool:
            if bed.run(self.login, f"sinfo -h -n {node} -o %T").stdout.split()[0] in ("idle", "mixed"):
                return True
            bed.run(self.login, f"scontrol update nodename={node} state=resume", check=False)
            return False

        bed.eventually(is_back, f"{node} does not come back")

    @property
    def server(self) -> str:
        return "slurmctld"

    def reserve(self, user: str) -> str:
        asked = f"users={user} starttime=now duration=10 nodes={self.nodes[0]} flags=ignore_jobs"
        return bed.run(self.login, f"scontrol create reservation {asked}").stdout.split(":", 1)[1].strip()

    def end_reservation(self, name: str) -> None:
        bed.run(self.login, f"scontrol delete reservation={name}")


def _minutes(limit: str) -> int:
    found = _TIME.fullmatch(limit)
    assert found, limit
    days, hours, minutes, _ = (int(part or 0) for part in found.groups())
    return (days * 24 + hours) * 60 + minutes
