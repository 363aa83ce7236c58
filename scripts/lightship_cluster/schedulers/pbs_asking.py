"""Who asks PBS's `qstat`, and why it gave no answer: what it printed as a sentence that says what to do."""

from __future__ import annotations

import os
import pwd
import re
import socket
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Callable

from lightship_cluster.errors import ExitStatus, LightshipError
from lightship_cluster.schedulers.base import NO_REASON, ask, last_line

Done = subprocess.CompletedProcess[str]

# The server's own attributes: of administrators alone, and no job is needed for them.
SERVER = ("-B", "-f")

_FOLD = "\n\t"
_HIDES = re.compile(r"^    query_other_jobs = False$", re.MULTILINE)
_PRIVILEGED = re.compile(r"^    (?:operators|managers) = (.*)", re.MULTILINE)
_IFF = re.compile(r"^pbs_iff: .+", re.MULTILINE)


def _ask(arguments: Sequence[str]) -> Done:
    return ask(["qstat", *arguments])


@dataclass(frozen=True)
class Qstat:
    """PBS's `qstat`; users run it themselves, the agent has it run by a unit that may do only that."""

    run: Callable[[Sequence[str]], Done] = _ask
    # As whom PBS knows who asks; empty for whoever runs this program.
    user: str = ""

    def __call__(self, arguments: Sequence[str]) -> Done:
        """What it prints for these arguments."""
        return self.run(arguments)

    def who(self) -> str:
        """Who asks, as PBS writes it in its lists."""
        return f"{self.user or _user()}@{socket.getfqdn()}"


OWN = Qstat()


def no_answer(qstat: Qstat, done: Done) -> LightshipError:
    """For a question about jobs to which nothing was answered."""
    if done.returncode == 0 and not done.stderr.strip():
        # A server that hides others' jobs prints nothing at all, and that as a success.
        return _error(fault(qstat) or f"qstat failed: {NO_REASON}")
    return _error(cause(qstat, done.stderr))


def fault(qstat: Qstat) -> str:
    """Why whoever asks cannot learn of others' jobs; nothing when they can. No job is needed for this question."""
    done = qstat(SERVER)
    if done.returncode or not done.stdout.startswith("Server:"):
        return cause(qstat, done.stderr)
    printed = done.stdout.replace(_FOLD, "")
    privileged = [name for found in _PRIVILEGED.findall(printed) for name in found.split(",")]
    user = qstat.who().partition("@")[0]
    # Whether the host is right too, only jobs can tell: PBS knows hosts by names that are not seen from here.
    if not _HIDES.search(printed) or any(name.partition("@")[0] in (user, "*") for name in privileged):
        return ""
    return (
        f"PBS hides the jobs of others from {qstat.who()} (query_other_jobs = False). "
        f"Type on the PBS server: qmgr -c 'set server operators += {qstat.who()}'"
    )


def cause(qstat: Qstat, complaints: str) -> str:
    """What qstat complained about; its last line alone is often only what followed from the cause."""
    said = f"qstat failed: {last_line(complaints, 'qstat: ')}"
    iff = _IFF.search(complaints)
    if iff:
        return (
            f"{said}. It could not prove who asks ({iff[0]}): pbs_iff must be set-user-id root and may need a port "
            "below 1024 to the PBS server."
        )
    return said


def _user() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return f"user-{os.geteuid()}"


def _error(sentence: str) -> LightshipError:
    return LightshipError(sentence, ExitStatus.SCHEDULER)
