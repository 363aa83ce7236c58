"""Phrases for the states and reasons of PBS and Torque, for the terminal and for the link's page."""

from __future__ import annotations

from lightship_cluster.schedulers.base import GONE, JobReport, JobState
from lightship_cluster.schedulers.phrases import plain, rules, sentence, starts_about
from lightship_protocol import causes
from lightship_protocol.states import JOB_ENDED, JOB_HELD, JOB_QUEUED, JOB_RUNNING

# The states of a finished job; its reason is a key of _ENDINGS.
FINISHED = ("F", "C", "X")
# Reasons without a comment: of a held job, and of a job in a reservation's queue.
DEPENDS, RESERVED = "depend", "reservation"
# Comments that tell more than the type of hold.
FAILED_STARTS = ("job held,", "job held due to", "Job Array Held")

# How a job ended: the registry's cause, and the phrase.
_ENDINGS = {
    "": (causes.ENDED, "the job is over"),
    "ended": (causes.ENDED, "the job is over"),
    "cancelled": (causes.CANCELLED, "the job was cancelled"),
    "failed": (causes.FAILED, "the job failed"),
    "unlisted": (causes.ENDED, "the job is over and no longer listed"),
    "requeued": (causes.ENDED, "the job was taken off its node, and a link serves one job once"),
    "hook": (causes.FAILED, "a rule of the site ended the job"),
    "refused": (causes.FAILED, "the compute node refused the job"),
    "not-started": (causes.NODE_FAILED, "the compute node could not start the job"),
    "node-failed": (causes.NODE_FAILED, "the compute node failed"),
    "out-of-memory": (causes.OUT_OF_MEMORY, "the job used more memory than it had asked for"),
    "cores": (causes.FAILED, "the job used more cores than it had asked for"),
    "cpu-time": (causes.TIME_LIMIT, "the job used more processor time than it may"),
    "time-limit": (causes.TIME_LIMIT, "the job's time is over"),
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
_FREE_NODES = "waiting for free nodes"
_OTHERS_FIRST = "other jobs come first"
_ONE_USER = "you use as much as one user may"
_ONE_GROUP = "your group uses as much as it may"
_ONE_PROJECT = "your project uses as much as it may"
_MAINTENANCE = "it would not end before a maintenance of the cluster"
_HOURS = "its queue works at other times of the day"
_UNPREPARED = "its node cannot be made ready as it asks for"
# The comments of the scheduler and the server of PBS without the prefixes "Not Running: " and "Can Never Run: ": all of
# src/scheduler/job_info.cpp, in the order in which they are tried.
_REASONS = rules(
    (
        (DEPENDS, "it waits for another job"),
        (RESERVED, "its reservation has not begun"),
        (r"Insufficient amount of (queue|server) resource", "others of your group or queue use what it needs"),
        (r"Insufficient amount of resource|No available resources on nodes|Too few free resources", _FREE_NODES),
        (r"Not enough (free|total) nodes|Not enough of the right type of nodes|.*exclusive node", _FREE_NODES),
        (r"Node is (in an ineligible state|of an ineligible type)|Node can't satisfy a multi-node job", _FREE_NODES),
        (r".* set .* has too few free resources|Max number of small cpusets|Node not eligible", _FREE_NODES),
        (r"Node ineligible because job requested pack", "waiting for one node with room for all of it"),
        (r"Node has reached (job|user|group) run limit", "as many jobs run on its nodes as may"),
        (r"Node has no PBS license", "its node has no licence of PBS; ask your administrators"),
        (r"can't fit in the largest placement set", "no group of nodes is large enough for it; cancel it"),
        (r"Job would interfere with a confirmed reservation", "its nodes are reserved before it would end"),
        (r"Job would conflict with reservation|.*top job|Job would break strict sorted order", _OTHERS_FIRST),
        (r"Can't preempt enough work|Provision(ing for job)? .*(interfere|conflict)", _OTHERS_FIRST),
        (r"Draining system|.*starving", _OTHERS_FIRST),
        (r"Job is under job_sort_formula threshold", "its priority is still too low"),
        (r"Job has zero shares", "you have no share of this cluster; ask your administrators"),
        (r"Dedicated|.*dedicated time", _MAINTENANCE),
        (r"(User|you) has reached|.*per-user|would exceed user|.*limit reached for user", _ONE_USER),
        (r"Group has reached|.*per-group|would exceed group|.*limit reached for group", _ONE_GROUP),
        (r"Project has reached|.*per-project|would exceed project|.*limit reached for project", _ONE_PROJECT),
        (r"Queue .* job limit has been reached|Server job limit has been reached", "as many jobs run as may"),
        (r"Number of concurrent running subjobs", "as many tasks of its array run as may"),
        (r"would exceed overall limit", "a limit of its queue or of the cluster is reached"),
        (r"Job will cross into", "it would not end before the hours of its queue do"),
        (r"Job will run in (non)?primetime|Prime|Non-prime", _HOURS),
        (r"Queue not started", "its queue is stopped"),
        (r"Queue not an execution queue", "its queue has not handed it on yet"),
        (r"[Jj]ob( Array)? held, too many failed attempts|Job Array Held", "it could not be started"),
        (r"job held, provisioning failed", _UNPREPARED),
        (r"job held due to possible security breach", "its node refused to start it; ask your administrators"),
        (r"Job held by", "release it with qrls and its number"),
        (r".*dependency", "it waits for another job"),
        (r"Specified .* does not exist", "it asks for a node that is not there; cancel it"),
        (r"No Select|.*[Uu]nknown resource|Invalid Job/Resv", "it asks for what PBS does not know; cancel it"),
        (r"Cannot provision", _UNPREPARED),
        (r"PBS Error|Internal Scheduling Error", "PBS could not start it yet"),
        (r"Job was sent for execution", "it is being handed to its node"),
        (r"Job not in queued state", ""),
        (r".*limit", "a limit of its queue or of the cluster is reached"),
    )
)
_HOLDS = (
    ("s", "the system holds it, most often because it could not be started"),
    ("o", "an administrator holds it"),
    ("p", "PBS does not take its password any more; ask your administrators"),
    ("u", "release it with qrls and its number"),
)
_NOT_NOW, _NEVER = "Not Running: ", "Can Never Run: "


def is_stopped(comment: str) -> bool:
    """Whether a job waits because its queue starts none."""
    return comment.startswith(f"{_NOT_NOW}Queue not started")


def over(state: str) -> bool:
    """Whether a job in this state will never run again."""
    return state in FINISHED or state == GONE.state


def phrase(job: JobState) -> str:
    """The phrase for a job's state, for a person at a terminal."""
    if over(job.state):
        return "the job is over and no longer listed" if job == GONE else _ending(job)[1]
    said = _alive(job)
    reason = reason_of(job)
    estimate = starts_about(job.start) if job.state in _WAITING else ""
    return said + (f": {reason}" if reason else "") + estimate


def report(job: JobState) -> JobReport:
    """The job's state for the registry."""
    if over(job.state):
        return JobReport(JOB_ENDED, sentence(phrase(job)), cause="" if job == GONE else _ending(job)[0])
    if job.state in _WAITING or job.reason == DEPENDS:
        return JobReport(JOB_QUEUED, sentence(reason_of(job)), job.start)
    if job.state == "H":
        return JobReport(JOB_HELD, sentence(reason_of(job) or _ALIVE["H"]), job.start)
    return JobReport(JOB_RUNNING, "" if job.state in ("R", "B") else sentence(phrase(job)), job.start)


def reason_of(job: JobState) -> str:
    """Why the job waits, by its comment or its hold."""
    if job.state == "W":
        return "its start time has not come"
    if job.state not in ("Q", "T", "H") or not job.reason:
        return ""
    if job.state == "H" and set(job.reason) <= set("nopsu"):
        return next((said for letter, said in _HOLDS if letter in job.reason), "")
    why = job.reason.replace(_NOT_NOW, "", 1).replace(_NEVER, "", 1)
    if job.reason.startswith(_NEVER):
        return f"it can never run here; cancel it ({why})"
    return plain(why, _REASONS) if why else ""


def _ending(job: JobState) -> tuple[str, str]:
    return _ENDINGS.get(job.reason, _ENDINGS[""])


def _alive(job: JobState) -> str:
    # PBS holds a job that waits for another one; to its owner it is queued.
    return _ALIVE["Q"] if job.reason == DEPENDS else _ALIVE.get(job.state) or f"the scheduler says {job.state}"
