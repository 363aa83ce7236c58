"""Who asks PBS's `qstat`, and why it gave no answer: the cause among what it printed, and what to do."""

from __future__ import annotations

import os
import pwd
import re
import socket
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Callable

from lightship_cluster.core.errors import ExitStatus, LightshipError
from lightship_cluster.core.texts import cleaned
from lightship_cluster.schedulers.base import NO_REASON, ask

Done = subprocess.CompletedProcess[str]

# The server's own attributes: all of them are administrators' text, and no job is needed.
SERVER = ("-B", "-f")

_FOLD = "\n\t"
_HIDES = re.compile(r"^    query_other_jobs = False$", re.MULTILINE)
_PRIVILEGED = re.compile(r"^    (?:operators|managers) = (.*)", re.MULTILINE)

# What tells the cause, and what to do. Most specific first: each is followed by complaints about what came of it.
_CAUSES = (
    (
        re.compile(r"^.*\bpbs_iff: .+", re.MULTILINE),
        "By pbs_iff PBS learns who asks: it must be set-user-id root (mode 4755), on a file system that allows that, "
        "and reach the PBS server from a port below 1024.",
    ),
    (
        re.compile(r"^pbsconf error: .+", re.MULTILINE),
        "Is /etc/pbs.conf there and readable? Where PBS_CONF_FILE names another file, the role cluster_tools must know "
        "it (cluster_tools_pbs_conf).",
    ),
    (
        re.compile(r"^auth: (?!error returned).+", re.MULTILINE),
        "PBS does not believe who asks: compare PBS_AUTH_METHOD in /etc/pbs.conf here with PBS_SUPPORTED_AUTH_METHODS "
        "there; with munge, {user} needs the same number on both hosts.",
    ),
    (
        re.compile(r"Unauthorized Request|No Permission|Access from host not allowed.*", re.IGNORECASE),
        "PBS lets not everybody ask. On the PBS server let {who} do so; type: qmgr -c 'print server' | grep acl",
    ),
)


def _ask(arguments: Sequence[str]) -> Done:
    return ask(["qstat", *arguments])


@dataclass(frozen=True)
class Qstat:
    """PBS's `qstat`; users run it themselves, the agent has it run by a unit that may do only that."""

    run: Callable[[Sequence[str]], Done] = _ask
    # The user that PBS sees; empty for whoever runs this program.
    user: str = ""

    def __call__(self, arguments: Sequence[str]) -> Done:
        """What it prints for these arguments."""
        return self.run(arguments)

    def who(self) -> str:
        """Who asks, as PBS writes it in its lists."""
        return f"{self.user or _own_name()}@{socket.getfqdn()}"


OWN = Qstat()


def no_answer(qstat: Qstat, done: Done) -> LightshipError:
    """For a question about jobs to which nothing was answered."""
    # A server that hides others' jobs prints nothing at all, and that as a success.
    why = cause(qstat, done.stderr) if done.stderr.strip() else fault(qstat)
    return LightshipError(why or f"qstat failed: {NO_REASON}", ExitStatus.SCHEDULER)


def fault(qstat: Qstat) -> str:
    """Why whoever asks cannot learn of others' jobs; nothing when they can. Any time will do: it needs no job."""
    done = qstat(SERVER)
    if done.returncode or not done.stdout.strip():
        return cause(qstat, done.stderr)
    printed = done.stdout.replace(_FOLD, "")
    if not _HIDES.search(printed) or _is_privileged(qstat, printed):
        return ""
    return (
        f"PBS hides the jobs of others from {qstat.who()} (query_other_jobs = False). "
        f"On the PBS server type: qmgr -c 'set server operators += {qstat.who()}'"
    )


def cause(qstat: Qstat, complaints: str) -> str:
    """What qstat complained about; its last line alone is often only what followed from the cause."""
    lines = [line.strip() for line in cleaned(complaints).splitlines() if line.strip()]
    said = lines[-1].removeprefix("qstat: ") if lines else NO_REASON
    for pattern, advice in _CAUSES:
        found = pattern.search(complaints)
        if found:
            where = f"{said} ({found[0].strip()})" if found[0].strip() != said else said
            return f"qstat failed: {where}. {advice.format(who=qstat.who(), user=qstat.who().partition('@')[0])}"
    # Of a connection that was not made, the line before says why.
    before = f" ({lines[-2].rstrip('.')})" if len(lines) > 1 and "cannot connect" in said else ""
    return f"qstat failed: {said}{before}"


def _is_privileged(qstat: Qstat, printed: str) -> bool:
    """Whether the user is an operator or a manager. The host cannot be compared: PBS may know it by another name."""
    named = [entry.partition("@")[0].strip() for found in _PRIVILEGED.findall(printed) for entry in found.split(",")]
    return qstat.who().partition("@")[0] in named or "*" in named


def _own_name() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return f"user number {os.geteuid()}"
