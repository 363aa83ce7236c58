"""How a job ends its link: with a cause for programs, a reason for people, and after a failure its last lines."""

from __future__ import annotations

import os
import re
import signal
import time
from dataclasses import dataclass

from lightship_cluster.core.errors import ExitStatus, LightshipError
from lightship_cluster.core.job_log import last_lines
from lightship_cluster.core.link_folder import LinkFolder
from lightship_cluster.job.lease import TIME_OVER
from lightship_cluster.job.memory_kills import MemoryKills
from lightship_protocol import limits
from lightship_protocol.causes import CANCELLED, ENDED, FAILED, OUT_OF_MEMORY, STOPPED, TIME_LIMIT

# Schedulers send their first signal at the end of the job's time or shortly after it. The link ends later than the job,
# by the time between the job's start and the claim.
END_SECONDS = 90.0

# Killed directly, or as a shell reports a killed child.
_KILLED = (-signal.SIGKILL, 128 + signal.SIGKILL)
_SECRET_LIKE = re.compile(
    r"""
    (token|secret|pass(w(or)?d|phrase)?|pwd|credential|bearer|authorization)\w*["']?(\s*[=:]|\s+\S)  # by its name
    | key["']?\s*[=:]  # but KeyError is worth reading
    | ://[^/\s]*:[^/\s]*@  # in an address
    | -----BEGIN | ^[A-Za-z0-9+/=]{40,}$  # a key in a file
    | [0-9a-f]{24,} | (?=[\w-]*\d)(?=[\w-]*[A-Za-z])[\w-]{20,}  # long, of letters and digits
    """,
    re.IGNORECASE | re.VERBOSE,
)


@dataclass(frozen=True)
class Ending:
    """The cause and the reason of the link's end, and the job's exit status."""

    cause: str
    reason: str
    status: ExitStatus


UNEXPECTED = Ending(FAILED, "It ended unexpectedly.", ExitStatus.FAILED)
NO_MEMORY = Ending(
    OUT_OF_MEMORY,
    "More memory was needed than the job has. Ask for more, as with start-jupyter -m 16G.",
    ExitStatus.JUPYTER,
)


def of_exit(status: int, memory: MemoryKills, program: str = "Jupyter") -> Ending:
    """The ending after the program has ended by itself or was killed."""
    if status == 0:
        return Ending(STOPPED, f"{program} was shut down.", ExitStatus.OK)
    if status in _KILLED and memory.grown():
        return NO_MEMORY
    if status < 0:
        return Ending(
            FAILED, f"{program} was ended by signal {-status} ({signal.strsignal(-status)}).", ExitStatus.JUPYTER
        )
    return Ending(FAILED, f"{program} ended with exit status {status}.", ExitStatus.JUPYTER)


def of_error(error: LightshipError, exited: int | None, memory: MemoryKills) -> Ending:
    """The ending after an error before the link was open; `exited` is Jupyter's exit status if it has ended."""
    if exited in _KILLED and memory.grown():
        return NO_MEMORY
    cause = ENDED if error.status is ExitStatus.LINK_ENDED else FAILED
    return Ending(cause, error.sentence, error.status)


def of_heart(reason: str) -> Ending:
    """The ending after the registry, or the link's time, has stopped the notebook."""
    if reason == TIME_OVER:
        return Ending(TIME_LIMIT, reason, ExitStatus.OK)
    return Ending(ENDED, reason, ExitStatus.LINK_ENDED)


def of_signal(expires: float) -> Ending:
    """The ending after the scheduler's signal: the job's time is over, or somebody cancelled it."""
    ends = [end for end in (expires, end_of_job()) if end]
    if any(time.time() > end - END_SECONDS for end in ends):
        return Ending(TIME_LIMIT, TIME_OVER, ExitStatus.INTERRUPTED)
    return Ending(CANCELLED, "The job was stopped.", ExitStatus.INTERRUPTED)


def tail(folder: LinkFolder, ending: Ending) -> str:
    """After a failure, the last lines of the log without those that may hold a secret; else an empty text."""
    if ending.cause not in (FAILED, OUT_OF_MEMORY):
        return ""
    kept = [line for line in last_lines(folder, limits.TAIL_LINES) if not _SECRET_LIKE.search(line)]
    return "\n".join(kept)[-limits.TAIL :]


def end_of_job() -> float:
    """The time when the scheduler ends the job; 0 if unknown."""
    # Only Slurm sets it.
    end = os.environ.get("SLURM_JOB_END_TIME", "")
    return float(end) if end.isdigit() else 0.0
