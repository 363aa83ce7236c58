"""Stopping a job, and seeing that it has gone: what was told to stop one may have spoken of others, or of none."""

from __future__ import annotations

import time

from lightship_cluster.core.errors import ExitStatus, LightshipError
from lightship_cluster.schedulers.base import JobState, Scheduler

# A job of this machine may take as long to end as Jupyter does.
GONE_SECONDS, POLL_SECONDS = 30.0, 0.3
# Slurm's and PBS's states of a job that will not run on, though its node is still busy with it.
_ENDING = {"COMPLETING", "STAGE_OUT", "E"}


def stop_job(scheduler: Scheduler, job_id: str) -> None:
    """Cancel it and return when it ends; an error if it stays."""
    scheduler.cancel(job_id)
    deadline = time.monotonic() + GONE_SECONDS
    while job := _alive(scheduler, job_id):
        if time.monotonic() > deadline:
            raise LightshipError(
                f"Job {job_id} was told to stop and has not after {GONE_SECONDS:.0f} s: {scheduler.words(job)}. "
                f"To stop it: {scheduler.stop_command(job_id)}",
                ExitStatus.SCHEDULER,
            )
        time.sleep(POLL_SECONDS)


def _alive(scheduler: Scheduler, job_id: str) -> JobState | None:
    try:
        job = scheduler.job_states([job_id]).get(job_id)
    except LightshipError:
        return None  # cancelled without complaint, and nothing can be seen
    return None if not job or scheduler.over(job.state) or job.state in _ENDING else job
