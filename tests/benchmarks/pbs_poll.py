"""How long the agent's question about many waiting jobs of PBS takes, and how many sockets it uses up.

Needs a host with a running OpenPBS where two users may submit jobs: `python tests/benchmarks/pbs_poll.py CONTAINER
[JOBS] [USER USER]`. The jobs are held, and deleted afterwards.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
import time
from io import BytesIO
from pathlib import Path

import bed

PACKAGE = Path(__file__).parents[2] / "scripts" / "lightship_cluster"
UNPACK = "rm -rf /tmp/lightship-poll && mkdir /tmp/lightship-poll && tar -x -C /tmp/lightship-poll"
SUBMIT = "for i in $(seq {}); do echo sleep 1 | qsub -f -h -l walltime=0:10:00; done"
POLL = """
import json, sys, time
sys.path.insert(0, "/tmp/lightship-poll")
from lightship_cluster.schedulers.pbs import Pbs

def waiting():
    lines = open("/proc/net/tcp").read().splitlines()[1:]
    return sum(line.split()[3] == "06" for line in lines)

pbs, jobs, rounds = Pbs(), sys.argv[1:], []
for _ in range(5):
    before, began = waiting(), time.monotonic()
    known = len(pbs.job_states(jobs))
    rounds.append((time.monotonic() - began, waiting() - before, known))
print(json.dumps(rounds))
"""


def main(container: str, number: int, users: list[str]) -> None:
    """Submit the jobs, ask about them, and print what that took."""
    _in(container, "root", UNPACK, _packed())
    jobs: list[str] = []
    try:
        for user in users:
            jobs += _in(container, user, SUBMIT.format(number // len(users))).split()
        rounds = json.loads(_in(container, users[0], f"python3 - {' '.join(jobs)}", POLL.encode()))
        began = time.monotonic()
        _in(container, users[0], "qstat > /dev/null")
        print(f"{len(jobs)} jobs; a user's qstat right after it: {time.monotonic() - began:.2f} s with podman exec")
        for seconds, sockets, known in rounds:
            print(f"  {seconds:.3f} s, {known} known, {sockets} more sockets in TIME-WAIT")
    finally:
        for begin in range(0, len(jobs), 100):
            _in(container, "root", f"qdel -W force {' '.join(jobs[begin : begin + 100])}")


def _packed() -> bytes:
    packed = BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        archive.add(PACKAGE, PACKAGE.name)
    return packed.getvalue()


def _in(container: str, user: str, command: str, text: bytes = b"") -> str:
    line = [bed.ENGINE, "exec", "-i", container, "su", "-", user, "-c", command]
    return subprocess.run(line, input=text, capture_output=True, check=True).stdout.decode()


if __name__ == "__main__":
    main(sys.argv[1], int((sys.argv[2:3] or ["400"])[0]), sys.argv[3:] or ["alice", "bob"])
