"""The part of pbs_poll.py that runs on the login node of PBS, as root: plain Python, an order as a line of JSON."""

from __future__ import annotations

import json
import os
import pwd
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

AGENT, HELPER = "/run/lightship-agent/agent.sock", "/run/lightship-qstat/qstat.sock"
PBS = "/opt/pbs/bin"
# PBS's server; and a connection that is over but keeps its port for a minute, as the kernel writes it.
SERVER_PORT, TIME_WAIT = 15001, "06"
HELD_JOB = [f"{PBS}/qsub", "-h", "-j", "oe", "-o", "/dev/null", "-l", "walltime=00:10:00", "--", "/bin/true"]


def users(count: int) -> list[str]:
    """Return the names of the users that there are for this alone."""
    return [f"poll{number}" for number in range(count)]


def exchange(path: str, message: dict[str, Any], *, shut: bool) -> dict[str, Any]:
    """Send one JSON object and return the one that comes back; the helper reads until our end is shut."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(60)
        connection.connect(path)
        connection.sendall(json.dumps(message).encode() + b"\n")
        if shut:
            connection.shutdown(socket.SHUT_WR)
        answer: dict[str, Any] = json.loads(connection.makefile().readline())
    return answer


def agent(**request: object) -> dict[str, Any]:
    """Put one request to the agent, as the user who runs this."""
    answer = exchange(AGENT, request, shut=False)
    if not answer.get("ok", True):
        raise SystemExit(f"{request['op']}: {answer}")
    return answer


def as_user(user: str, work: Callable[[], object]) -> Any:
    """Do some work in a process of that user's, and return what came of it."""
    ours, theirs = os.pipe()
    if os.fork() == 0:
        entry = pwd.getpwnam(user)
        os.setgroups([])
        os.setgid(entry.pw_gid)
        os.setuid(entry.pw_uid)
        os.chdir("/")
        os.write(theirs, json.dumps(work()).encode())
        os._exit(0)
    os.close(theirs)
    with os.fdopen(ours) as told:
        said = told.read()
    os.wait()
    return json.loads(said)


def begin(count: int) -> dict[str, str]:
    """Give each user some links whose jobs are held in the queue; return the jobs by name of link."""

    def each() -> dict[str, str]:
        jobs = {}
        for _ in range(count):
            name = agent(op="create", seconds=600)["name"]
            job = subprocess.run(HELD_JOB, check=True, capture_output=True, text=True).stdout.strip()
            agent(op="job", name=name, job_id=job)
            jobs[name] = job
        return jobs

    begun: dict[str, str] = {}
    for user in users(ORDER["users"]):
        subprocess.run(["useradd", "--no-create-home", user], check=True, capture_output=True)
        begun |= as_user(user, each)
    return begun


def connections() -> int:
    """Return how many connections to PBS's server ended within the last minute."""
    rows = [line.split() for kind in ("tcp", "tcp6") for line in Path("/proc/net", kind).read_text().splitlines()[1:]]
    port = f"{SERVER_PORT:04X}"
    return sum(row[3] == TIME_WAIT and port in (row[1].split(":")[1], row[2].split(":")[1]) for row in rows)


def asked() -> float:
    """Have the helper ask PBS about all of them, as the agent does in each round; return the seconds."""
    numbers = [job.partition(".")[0] for job in ORDER["jobs"]]
    began = time.monotonic()
    answer = exchange(HELPER, {"arguments": ["-E", "-f", "-F", "dsv", "-D", "0" * 32, *numbers]}, shut=True)
    seconds = time.monotonic() - began
    known = answer["printed"].count("Job_Owner")
    if known != len(numbers):
        raise SystemExit(f"qstat knows {known} of {len(numbers)} jobs: {answer['complaints']}")
    return seconds


def users_qstat() -> float:
    """Have a user ask PBS; return the seconds."""
    began = time.monotonic()
    subprocess.run([f"{PBS}/qstat", "-u", "poll0"], check=True, capture_output=True)
    return time.monotonic() - began


def measure() -> dict[str, Any]:
    """Count what the agent's rounds of the last minute left, then ask as it does, and as a user."""
    return {
        "connections": connections(),
        "asked": [asked() for _ in range(5)],
        "meanwhile": [users_qstat() for _ in range(50)],
    }


def end() -> None:
    """Take it all back."""
    for begin_at in range(0, len(ORDER["jobs"]), 100):
        subprocess.run([f"{PBS}/qdel", "-W", "force", *ORDER["jobs"][begin_at : begin_at + 100]], check=False)
    for user in users(ORDER["users"]):
        if subprocess.run(["id", user], capture_output=True, check=False).returncode == 0:
            subprocess.run(["userdel", user], check=False, capture_output=True)


ORDER = json.loads(sys.stdin.readline())
print(json.dumps({"begin": lambda: begin(ORDER["links"]), "measure": measure, "end": end}[ORDER["do"]]()))
