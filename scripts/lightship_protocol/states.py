"""The states of links and jobs, and what a link leads to: words for programs."""

from __future__ import annotations

# The states of a link.
WAITING, STARTING, READY, ENDED = "waiting", "starting", "ready", "ended"

# The states of a job, the same for every scheduler.
JOB_STATES = JOB_QUEUED, JOB_HELD, JOB_RUNNING, JOB_ENDED = "queued", "held", "running", "ended"

# What a link leads to: Jupyter, or any other web program.
SUBJECTS = NOTEBOOK, PROGRAM = "notebook", "program"
