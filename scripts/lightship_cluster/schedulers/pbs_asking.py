"""Runs PBS's `qstat`, and explains why it gave no answer: the cause in its output, and what to do."""

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

# Asks for the server's own attributes: administrators write all of them, and no job is needed.
SERVER = ("-B", "-f")

_FOLD = "\n\t"
_HIDES = re.compile(r"^    query_other_jobs = False$", re.MULTILINE)
_PRIVILEGED = re.compile(r"^    (?:operators|managers) = (.*)", re.MULTILINE)

# The messages that name a cause, and what to do. The most specific come first: other messages follow from each.
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
    """PBS's `qstat`. Users run it themselves; for the agent, a unit with no other task runs it."""

    run: Callable[[Sequence[str]], Done] = _ask
    # The user that PBS sees; empty for the user of this process.
    user: str = ""

    def __call__(self, arguments: Sequence[str]) -> Done:
        """Run qstat with these arguments."""
        return self.run(arguments)

    def who(self) -> str:
        """The user and host of qstat, as PBS writes them in its lists."""
        return f"{self.user or _own_name()}@{socket.getfqdn()}"


OWN = Qstat()


def no_answer(qstat: Qstat, done: Done) -> LightshipError:
    """The error for a question about jobs without an answer."""
    # A server that hides others' jobs prints nothing, with exit status 0.
    why = cause(qstat, done.stderr) if done.stderr.strip() else fault(qstat)
    return LightshipError(why or f"qstat failed: {NO_REASON}", ExitStatus.SCHEDULER)


def fault(qstat: Qstat) -> str:
    """The reason why this user cannot see others' jobs; empty if it can. The question needs no job."""
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
    """The cause of a failure; the last line alone is often only a consequence."""
    lines = [line.strip() for line in cleaned(complaints).splitlines() if line.strip()]
    said = lines[-1].removeprefix("qstat: ") if lines else NO_REASON
    for pattern, advice in _CAUSES:
        found = pattern.search(complaints)
        if found:
            where = f"{said} ({found[0].strip()})" if found[0].strip() != said else said
            return f"qstat failed: {where}. {advice.format(who=qstat.who(), user=qstat.who().partition('@')[0])}"
    # If no connection was made, the line before tells why.
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
