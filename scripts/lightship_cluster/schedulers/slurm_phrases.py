"""Phrases for the states and reasons of Slurm, for the terminal and for the link's page."""

from __future__ import annotations

import re

from lightship_cluster.schedulers.base import JobReport, JobState
from lightship_cluster.schedulers.phrases import plain, rules, sentence, starts_about
from lightship_protocol import causes
from lightship_protocol.states import JOB_ENDED, JOB_HELD, JOB_QUEUED, JOB_RUNNING

# What Slurm prints for an empty value.
UNKNOWN = {"", "N/A", "(null)", "None", "Unknown"}

# The registry's cause, and the phrase. The cause of a GONE job is unknown.
_OVER = {
    "BOOT_FAIL": (causes.NODE_FAILED, "the node did not boot"),
    "CANCELLED": (causes.CANCELLED, "the job was cancelled"),
    "COMPLETED": (causes.ENDED, "the job is over"),
    "DEADLINE": (causes.TIME_LIMIT, "the job's deadline passed"),
    "FAILED": (causes.FAILED, "the job failed"),
    "GONE": ("", "the job is over and Slurm no longer lists it"),
    "NODE_FAIL": (causes.NODE_FAILED, "the compute node failed"),
    "OUT_OF_MEMORY": (causes.OUT_OF_MEMORY, "the job used more memory than it had asked for"),
    "PREEMPTED": (causes.ENDED, "the job was stopped for a more urgent one"),
    "TIMEOUT": (causes.TIME_LIMIT, "the job's time is over"),
}
REVOKED = "REVOKED"
_MADE_READY = "its node is being made ready"
# The registry's state, and the phrase.
_ALIVE = {
    "PENDING": (JOB_QUEUED, "queued"),
    "REQUEUED": (JOB_QUEUED, "queued again"),
    "REQUEUE_FED": (JOB_QUEUED, "queued again"),
    "REQUEUE_HOLD": (JOB_HELD, "on hold"),
    "RESV_DEL_HOLD": (JOB_HELD, "on hold"),
    "SPECIAL_EXIT": (JOB_HELD, "on hold"),
    "CONFIGURING": (JOB_RUNNING, _MADE_READY),
    "POWER_UP_NODE": (JOB_RUNNING, _MADE_READY),
    "RUNNING": (JOB_RUNNING, "the job has begun"),
    "SIGNALING": (JOB_RUNNING, "the job has begun"),
    "RESIZING": (JOB_RUNNING, "the number of its nodes is changing"),
    "SUSPENDED": (JOB_RUNNING, "the job is suspended"),
    "STOPPED": (JOB_RUNNING, "the job is suspended"),
    "COMPLETING": (JOB_RUNNING, "the job is ending"),
    "STAGE_OUT": (JOB_RUNNING, "its files are being put away"),
    # Only the sibling on this cluster is over: by the manual, another cluster has started the job.
    REVOKED: (JOB_RUNNING, "the job runs on another cluster of the federation, which cannot be followed from here"),
}
_ON_HOLD = re.compile(r"JobHeld|JobHoldMaxRequeue|launch.failed.requeued.held", re.IGNORECASE)
_NEVER = "cancel it and ask for less"
# In the order in which they are tried; every reason of Slurm 24.11 matches one.
_REASONS = rules(
    (
        ("Priority", "other jobs come first"),
        ("Resources", "waiting for free nodes"),
        ("None|SchedDefer|BackfillThrottle", ""),
        ("JobHeldUser", "it is on hold until scontrol release"),
        ("JobHeldAdmin", "an administrator holds it"),
        ("JobHoldMaxRequeue|launch.failed.requeued.held", "it could not be started and is on hold"),
        ("JobArrayTaskLimit", "as many tasks of its array run as may"),
        ("DependencyNeverSatisfied", "the job that it waits for did not end as it should; cancel it"),
        ("Dependency", "it waits for another job"),
        ("BeginTime", "its start time has not come"),
        ("DeadLine", "it cannot end before its deadline any more; cancel it"),
        ("Licenses", "it waits for a licence"),
        ("Reservation.*([Dd]eleted|Invalid)", "its reservation is no longer there; cancel it"),
        ("Reservation", "its reservation has not begun"),
        ("ReqNodeNotAvail|Nodes.required", "nodes that it needs are down or reserved"),
        ("NodeDown|FrontEndDown", "a node that it needs is down"),
        ("MaxPoweredUpNodes", "as many nodes are switched on as may"),
        ("BadConstraints", "no node has what it asks for; cancel it and ask for something else"),
        ("PartitionTimeLimit", "it asks for more time than the partition allows; cancel it and give a shorter -t"),
        ("PartitionNodeLimit", f"it asks for more nodes than the partition allows; {_NEVER}"),
        ("PartitionDown|PartitionInactive", "the partition is closed"),
        ("PartitionConfig", f"the partition does not allow what it asks for; {_NEVER}, or choose another with -p"),
        ("InvalidAccount|AccountNotAllowed", "its account is not valid here; cancel it and give another with -A"),
        ("InvalidQOS|QOSNotAllowed", "its quality of service is not valid here; cancel it and give another"),
        ("QOSUsageThreshold", "your project has used too much for its quality of service"),
        ("(QOS|Assoc)MaxWall", "it asks for more time than one job may have; cancel it and give a shorter -t"),
        ("MaxMemPerLimit", f"it asks for more memory than one job may have; {_NEVER}"),
        ("(QOS|Assoc)Max.*Per(Job|Node)", f"it asks for more than one job may have; {_NEVER}"),
        ("QOSMin", "it asks for less than its quality of service is for; cancel it and ask for more"),
        ("(QOS|Assoc)Max(Submit)?Jobs?(PerUser)?Limit", "you have as many jobs as you may"),
        ("Max.*RunMins?Per(User|Account)", "the jobs that run hold as much compute time as may be held at once"),
        ("(QOS|Assoc)\\w*(Minutes|RunMins|TimeLimit)", "not enough compute time is left in your project"),
        ("(QOS|Assoc)GrpWall", "not enough compute time is left in your project"),
        ("QOS.*PerUser", "you use as much as one user may"),
        ("QOS", "a limit of the quality of service is reached"),
        ("Assoc|Max.*PerAccount", "a limit of your account is reached"),
        ("AccountingPolicy", "a limit of your account is reached"),
        ("Cleaning", "what is left of its last start is being cleared away"),
        ("Prolog", "its node is being made ready"),
        ("BurstBuffer", "its files are being made ready"),
        ("FedJobLock", "another cluster may start it first"),
        ("OutOfMemory", "it needed more memory than it had asked for"),
        ("SystemFailure|NonZeroExitCode|RaisedSignal", "its last start failed"),
    )
)


def over(state: str) -> bool:
    """Whether a job in this state will never run again."""
    return state in _OVER


def phrase(job: JobState) -> str:
    """The phrase for a job's state, for a person at a terminal."""
    if job.state in _OVER:
        return _OVER[job.state][1]
    _, said = _alive(job)
    reason = "" if job.state == "RUNNING" else _reason(job.reason)
    return said + (f": {reason}" if reason else "") + _estimate(job)


def report(job: JobState) -> JobReport:
    """The job's state for the registry."""
    if job.state in _OVER:
        cause, said = _OVER[job.state]
        return JobReport(JOB_ENDED, sentence(said), cause=cause)
    state, _ = _alive(job)
    if state == JOB_RUNNING or job.state not in _ALIVE:
        return JobReport(state, "" if job.state == "RUNNING" else sentence(phrase(job)), job.start)
    held = state == JOB_QUEUED and _ON_HOLD.match(job.reason)
    return JobReport(JOB_HELD if held else state, sentence(_reason(job.reason)), job.start)


def _alive(job: JobState) -> tuple[str, str]:
    # An unknown state of a newer Slurm does not mean that the job has begun.
    return _ALIVE.get(job.state, (JOB_QUEUED, f"the scheduler says {job.state}"))


def _reason(reason: str) -> str:
    first = reason.strip("()").split(",")[0]
    if first in UNKNOWN:
        return ""
    return plain(first, _REASONS)


def _estimate(job: JobState) -> str:
    return starts_about(job.start) if job.state == "PENDING" else ""
