"""Where a job runs, for its owner's page: node, partition and folder."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from pathlib import Path

from lightship_protocol import limits

# As the schedulers call what a job was sent to.
PARTITIONS = ("SLURM_JOB_PARTITION", "PBS_QUEUE")


def job_location() -> dict[str, str]:
    """Of this job; what is not known is left out."""
    folder = ""
    # A folder that was removed has no name any more.
    with suppress(OSError):
        folder = str(Path.cwd())
    # The registry would keep its beginning; of a long one, the end says more.
    if len(folder) > limits.FOLDER:
        folder = f"...{folder[3 - limits.FOLDER :]}"
    partition = next(filter(None, map(os.environ.get, PARTITIONS)), "")
    found = {"node": socket.gethostname().partition(".")[0], "partition": partition, "folder": folder}
    # Names of any bytes: they are for reading, and JSON wants text.
    return {key: text.encode("utf-8", "replace").decode() for key, text in found.items() if text}
