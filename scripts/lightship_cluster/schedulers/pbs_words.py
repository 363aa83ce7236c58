"""The words of PBS and of Torque in plain ones: for the user who waits at a terminal, and for the link's page."""

from __future__ import annotations

from lightship_cluster.schedulers.base import ENDED, GONE, HELD, QUEUED, RUNNING, JobReport, JobState
from lightship_cluster.schedulers.wording import plain, rules, sentence, starts_about

# A finished job's state is one of these, and its reason one of the registry's words for why a link ended.
FINISHED = ("F", "C", "X")

_HOW = {
    "": "the job is over",
    "ended": "the job is over",
    "cancelled": "the job was cancelled",
    "failed": "the job failed",
    "node-failed": "the compute node could not start the job",
    "out-of-memory": "the job used more memory than it had asked for",
    "time-limit": "the job's time is over",
}
_ALIVE = {
    "Q": "queued",
    "W": "queued",
    "T": "queued",
    "H": "on hold",
    "R": "the job has begun",
    "B": "the job has begun",
    "E": "the job is ending",
    "S": "the job is suspended",
    "U": "the job is suspended, for somebody works at its machine",
    "M": "the job was moved to another server, where it cannot be followed",
}
_WAITING = ("Q", "W", "T")
# What the PBS scheduler writes into a job's comment, without "Not Running: " and "Can Never Run: " before it.
_REASONS = rules(
    (
        (r"Insufficient amount of (queue|server) resource", "others of your group or queue use what it needs"),
        (r"Insufficient amount of resource|Not enough (free|total) nodes|.*exclusive node", "waiting for free nodes"),
        (r"Job would conflict with reservation|.*top job", "other jobs come first"),
        (r".*[Dd]edicated time", "it would not end before a maintenance of the cluster"),
        (r".*(User|you) has reached|.*per-user|.*user.*limit", "you use as much as one user may"),
        (r".*(Group|Project|group|project).*limit", "your group uses as much as it may"),
        (r".*limit", "a limit of its queue or of the cluster is reached"),
        (r"Queue not started|.*queue .*not started", "its queue is stopped"),
        (r"Draining system|.*starving", "other jobs come first"),
        (r"[Jj]ob held, too many failed attempts", "it could not be started and is on hold"),
        (r"Job held by", "it is on hold; release it with qrls and its number"),
        (r".*dependency", "it waits for another job"),
        (r"No Select|.*[Uu]nknown resource", "it asks for something that PBS does not know; cancel it"),
        (r"Prime|Non-prime|.*prime", "its queue works at other times of the day"),
        (r"PBS Error", "PBS could not start it yet"),
    )
)
_HOLDS = (
    ("s", "it is held by the system, most often because it could not be started"),
    ("o", "an administrator holds it"),
    ("u", "release it with qrls and its number"),
)


def over(state: str) -> bool:
    """Whether a job in this state will never run again."""
    return state in FINISHED or state == GONE.state


def words(job: JobState) -> str:
    """The job's state for a person at a terminal."""
    if over(job.state):
        return _HOW.get(job.reason, _HOW[""]) if job != GONE else "the job is over and no longer listed"
    said = _ALIVE.get(job.state) or f"the scheduler says {job.state}"
    reason = reason_of(job)
    estimate = starts_about(job.start) if job.state in _WAITING else ""
    return said + (f": {reason}" if reason else "") + estimate


def report(job: JobState) -> JobReport:
    """The job's state for the registry."""
    if over(job.state):
        return JobReport(ENDED, sentence(words(job)), cause="" if job == GONE else job.reason or "ended")
    if job.state in _WAITING:
        return JobReport(QUEUED, sentence(reason_of(job)), job.start)
    if job.state == "H":
        return JobReport(HELD, sentence(reason_of(job) or _ALIVE["H"]), job.start)
    return JobReport(RUNNING, "" if job.state in ("R", "B") else sentence(words(job)), job.start)


def reason_of(job: JobState) -> str:
    """Why the job waits, from its comment or from who holds it."""
    if job.state == "W":
        return "its start time has not come"
    if job.state not in ("Q", "T", "H") or not job.reason:
        return ""
    if job.state == "H" and set(job.reason) <= set("nopsu"):
        return next((said for letter, said in _HOLDS if letter in job.reason), "")
    never = "Can Never Run: "
    why = plain(job.reason.replace("Not Running: ", "", 1).replace(never, "", 1), _REASONS)
    return f"it can never run here; cancel it ({job.reason[len(never) :]})" if job.reason.startswith(never) else why
