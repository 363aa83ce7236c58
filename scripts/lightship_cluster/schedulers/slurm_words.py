"""Slurm's words in plain ones: for the user who waits at a terminal, and for the link's page."""

from __future__ import annotations

import re
import time

from lightship_cluster.schedulers.base import ENDED, HELD, QUEUED, RUNNING, JobReport, JobState

# What Slurm prints for nothing.
UNKNOWN = {"", "N/A", "(null)", "None", "Unknown"}

# The registry's word for why a link ended, and the words for people. Nobody knows why a job is GONE.
_OVER = {
    "BOOT_FAIL": ("node-failed", "the node did not boot"),
    "CANCELLED": ("cancelled", "the job was cancelled"),
    "COMPLETED": ("ended", "the job is over"),
    "DEADLINE": ("time-limit", "the job's deadline passed"),
    "FAILED": ("failed", "the job failed"),
    "GONE": ("", "the job is over and Slurm no longer lists it"),
    "NODE_FAIL": ("node-failed", "the compute node failed"),
    "OUT_OF_MEMORY": ("out-of-memory", "the job used more memory than it had asked for"),
    "PREEMPTED": ("ended", "the job was stopped for a more urgent one"),
    "REVOKED": ("cancelled", "the job was revoked"),
    "TIMEOUT": ("time-limit", "the job's time is over"),
}
_ALIVE = {
    "PENDING": "queued",
    "CONFIGURING": "its node is being made ready",
    "RUNNING": "the job has begun",
    "SUSPENDED": "the job is suspended",
    "REQUEUED": "queued again",
    "COMPLETING": "the job is ending",
}
_WAITING = ("PENDING", "REQUEUED", "REQUEUE_HOLD", "SPECIAL_EXIT", "REQUEUE_FED")
_ON_HOLD = re.compile(r"JobHeld|JobHoldMaxRequeue|launch.failed.requeued.held", re.IGNORECASE)
# Compared from the beginning of Slurm's reason, the first that fits counts.
_REASONS = [
    (re.compile(pattern), words)
    for pattern, words in (
        ("Priority", "other jobs come first"),
        ("Resources", "waiting for free nodes"),
        ("None", ""),
        ("JobHeldUser", "it is on hold; release it with scontrol release and its number"),
        ("JobHeldAdmin", "an administrator holds it"),
        ("JobHoldMaxRequeue|launch.failed.requeued.held", "it could not be started and is on hold"),
        ("JobArrayTaskLimit", "as many tasks of its array run as may"),
        ("DependencyNeverSatisfied", "the job that it waits for did not end as it should; cancel it"),
        ("Dependency", "it waits for another job"),
        ("BeginTime", "its start time has not come"),
        ("Licenses", "it waits for a licence"),
        ("Reservation.*(Deleted|Invalid)", "its reservation is no longer there; cancel it"),
        ("Reservation", "its reservation has not begun"),
        ("ReqNodeNotAvail|Nodes.required", "nodes that it needs are down or reserved"),
        ("NodeDown", "a node that it needs is down"),
        ("BadConstraints", "no node has what it asks for"),
        ("PartitionTimeLimit", "it asks for more time than the partition allows; cancel it and give a shorter -t"),
        ("PartitionNodeLimit", "it asks for more nodes than the partition allows"),
        ("PartitionDown|PartitionInactive", "the partition is closed"),
        ("InvalidAccount|AccountNotAllowed", "its account is not valid here; cancel it and give another with -A"),
        ("InvalidQOS|QOSNotAllowed", "its quality of service is not valid here"),
        ("QOSMaxJobs.*PerUser", "you have as many jobs running as you may"),
        ("QOS.*PerUser", "you use as much as one user may"),
        ("(QOS|Assoc).*(Minutes|RunMins)", "not enough compute time is left in your project"),
        ("QOS", "a limit of the quality of service is reached"),
        ("AssocMaxJobs", "as many jobs of your account run as may"),
        ("Assoc|Max.*PerAccount", "a limit of your account is reached"),
        ("Cleaning", "what is left of its last start is being cleared away"),
        ("Prolog", "its node is being made ready"),
        ("BurstBuffer", "its files are being made ready"),
    )
]


def over(state: str) -> bool:
    """Whether a job in this state will never run again."""
    return state in _OVER


def words(job: JobState) -> str:
    """The job's state for a person at a terminal."""
    if job.state in _OVER:
        return _OVER[job.state][1]
    said = _ALIVE.get(job.state) or job.state.lower().replace("_", " ")
    reason = "" if job.state == "RUNNING" else _reason(job.reason)
    return said + (f": {reason}" if reason else "") + _estimate(job)


def report(job: JobState) -> JobReport:
    """The job's state for the registry."""
    if job.state in _OVER:
        cause, said = _OVER[job.state]
        return JobReport(ENDED, _sentence(said), cause=cause)
    start = int(_seconds(job.start))
    if job.state in _WAITING:
        state = HELD if job.state == "REQUEUE_HOLD" or _ON_HOLD.match(job.reason) else QUEUED
        return JobReport(state, _sentence(_reason(job.reason)), start)
    return JobReport(RUNNING, "" if job.state == "RUNNING" else _sentence(words(job)), start)


def _reason(reason: str) -> str:
    plain = reason.strip("()").split(",")[0]
    if plain in UNKNOWN:
        return ""
    return next((said for pattern, said in _REASONS if pattern.match(plain)), f"the scheduler says {plain}")


def _estimate(job: JobState) -> str:
    start = _seconds(job.start)
    # Slurm keeps an estimate that was wrong until it makes the next.
    if job.state != "PENDING" or start <= time.time():
        return ""
    there = time.localtime(start)
    today = time.strftime("%F", there) == time.strftime("%F")
    return ", starts about " + time.strftime("%H:%M" if today else "%d %b %H:%M", there)


def _seconds(start: str) -> float:
    # squeue and this program are on one machine, so they mean the same time zone.
    try:
        return time.mktime(time.strptime(start, "%Y-%m-%dT%H:%M:%S"))
    except (ValueError, OverflowError):
        return 0.0


def _sentence(said: str) -> str:
    return f"{said[:1].upper()}{said[1:]}." if said else ""
