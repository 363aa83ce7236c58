"""Where a job runs: its node, partition and folder, for the link's page."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from pathlib import Path

from lightship_protocol import limits

# The variables in which schedulers name the partition or queue.
PARTITIONS = ("SLURM_JOB_PARTITION", "PBS_QUEUE")


def job_location() -> dict[str, str]:
    """The location of this job, without what is unknown."""
    folder = ""
    # The folder may have been removed.
    with suppress(OSError):
        folder = str(Path.cwd())
    # The registry would keep the beginning of a long path, but the end says more.
    if len(folder) > limits.FOLDER:
        folder = f"...{folder[3 - limits.FOLDER :]}"
    partition = next(filter(None, map(os.environ.get, PARTITIONS)), "")
    found = {"node": socket.gethostname().partition(".")[0], "partition": partition, "folder": folder}
    # A name may hold any bytes, and JSON needs text.
    return {key: text.encode("utf-8", "replace").decode() for key, text in found.items() if text}
