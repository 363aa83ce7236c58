"""The cluster of the bed with OpenPBS."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from support import bed
from support.clusters.base import HELD, RUNS, WAITS, Cluster, Job

_STATES = {"Q": WAITS, "W": WAITS, "H": HELD, "R": RUNS, "B": RUNS}
_IN = ". /etc/profile.d/pbs.sh;"


@dataclass(frozen=True)
class Pbs(Cluster):
    """The cluster, by the commands of OpenPBS."""

    def jobs_of(self, user: str) -> set[str]:
        return set(bed.run(self.login, f"{_IN} qselect -u {user} -s {''.join(_STATES)}").stdout.split())

    def job(self, number: str) -> Job | None:
        done = bed.run(self.login, f"{_IN} qstat -f -F json {number}", check=False)
        job = json.loads(done.stdout or "{}").get("Jobs", {}).get(number, {})
        if job.get("job_state") not in _STATES:
            return None
        asked = job["Resource_List"]
        hours, minutes, _ = (int(part) for part in str(asked["walltime"]).split(":"))
        node = str(job.get("exec_host", "")).partition("/")[0]
        account = str(job.get("Account_Name", ""))
        return Job(_STATES[job["job_state"]], node, job["queue"], hours * 60 + minutes, account, int(asked["ncpus"]))

    def cancel(self, *numbers: str) -> None:
        # Those that are over already make it complain.
        bed.run(self.login, f"{_IN} qdel {' '.join(numbers)}", check=False)

    def release(self, number: str) -> None:
        bed.run(self.login, f"{_IN} qrls {number}")

    def with_text(self, quoted: str) -> str:
        return f"echo true | FORGED={quoted} qsub -h -v FORGED -l walltime=00:01:00"

    def on(self, node: str) -> str:
        return f"-l select=1:host={node}"

    def drain(self) -> None:
        bed.run(self.login, f"{_IN} pbsnodes -o {' '.join(self.nodes)}")

    def resume(self) -> None:
        bed.run(self.login, f"{_IN} pbsnodes -r {' '.join(self.nodes)}")

    def lose(self, node: str) -> None:
        # With its processes stopped first, nothing of the job can tell of its end any more.
        bed.run(node, "pkill -STOP -u carol; pkill -KILL -x pbs_mom", check=False)
        bed.engine("pause", f"lightship-{node}")

    def bring_back(self, node: str) -> None:
        bed.engine("unpause", f"lightship-{node}")
        bed.run(node, "pkill -KILL -u carol; systemctl restart pbs", check=False)
        state = f"{_IN} pbsnodes {node} | grep -q 'state = free'"
        bed.eventually(
            lambda: bed.run(self.login, state, check=False).returncode == 0, f"{node} does not come back", seconds=90
        )

    @property
    def server(self) -> str:
        return "pbs"

    def reserve(self, user: str) -> str:
        asked = "-R $(date -d '+5 seconds' +%Y%m%d%H%M.%S) -D 00:15:00 -l select=1:ncpus=1"
        return bed.run(self.login, f"pbs_rsub {asked}", user=user).stdout.split()[0]

    def end_reservation(self, name: str) -> None:
        bed.run(self.login, f"{_IN} pbs_rdel {name}")

    def tell(self, order: str) -> None:
        """Send the server a command of an administrator."""
        bed.run(self.login, f"{_IN} qmgr -c '{order}'")

    @contextmanager
    def history(self) -> Iterator[None]:
        """Make the server keep finished jobs, which it does not by default."""
        self.tell("set server job_history_enable = True")
        try:
            yield
        finally:
            self.tell("set server job_history_enable = False")
