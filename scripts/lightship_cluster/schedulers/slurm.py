"""Slurm. Only the formats of `-o` are read: those of `--json` change from version to version."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from lightship_cluster.core.errors import ExitStatus, LightshipError
from lightship_cluster.core.paths import is_here
from lightship_cluster.schedulers import slurm_partitions, slurm_phrases, slurm_variables
from lightship_cluster.schedulers.base import (
    GONE,
    NOBODYS,
    JobReport,
    JobRequest,
    JobState,
    Resources,
    Submission,
    ask,
    hand_in,
    last_line,
    refusal,
    remarks,
    unread,
)
from lightship_cluster.schedulers.own_options import QSUB, SBATCH, Dialect, require_usable, value_of
from lightship_cluster.schedulers.own_server import require_own_server
from lightship_cluster.schedulers.own_times import require_no_time, unused_time

JOB_ID = re.compile(r"[1-9]\d{0,9}", re.ASCII)
_LARGEST_JOB_ID = 2**31 - 1
# The suffix of a task of a job array and of a part of a heterogeneous job: 123_0, 123_[0-3], 123+0.
_PART = re.compile(r"[_+].*")
_COLUMNS = "JobID,State,UID"
# A format of strftime: Unix time does not depend on the time zone.
_UNIX_TIMES = {"SLURM_TIME_FORMAT": "%s"}
_MARK = "sbatch: "
# sbatch reads the directives of both.
_DIRECTIVES = (SBATCH, QSUB)
# The messages of scancel about a finished job.
_DONE = re.compile(r"Invalid job id specified|already completing or completed")
MAYBE_QUEUED = "The job may be queued all the same: look with squeue --me, and stop it with scancel and its number."


class Slurm:
    """The scheduler Slurm, by its commands."""

    name = "Slurm"
    # The dialect of the user's own options.
    dialect: Dialect = SBATCH

    def check(self, resources: Resources, script: Path | None = None) -> str:
        """Refuse a partition that does not exist or is too small: the job would be refused, or queue for ever."""
        slurm_variables.require_usable(os.environ)
        require_own_server(("SLURM_CONF",), ("scontrol", "show", "config"), r"^ClusterName\s*=\s*(\S+)")
        require_no_time(resources.extra, self.dialect)
        require_usable(resources.extra, script, self.dialect, _DIRECTIVES)
        done = ask(["sinfo", "--all", "--noheader", "--exact", f"--format={slurm_partitions.FORMAT}"])
        if done.returncode:
            raise LightshipError(
                f"Slurm does not answer: {last_line(done.stderr)} Try again later.", ExitStatus.SCHEDULER
            )
        wanted = slurm_partitions.choose(resources, script, self.dialect)
        doubt = slurm_partitions.check(slurm_partitions.parse(done.stdout), wanted)
        return " ".join(filter(None, (doubt, unused_time(resources, script, _DIRECTIVES))))

    def submit(self, request: JobRequest) -> Submission:
        """Submit the job."""
        # A percent sign in the path would be one of Slurm's patterns.
        log = str(request.log).replace("%", "%%")
        options = _options(request.resources, SBATCH.directives(request.script))
        # Both streams: a script or SBATCH_ERROR may redirect what Jupyter prints.
        output = [f"--output={log}", f"--error={log}"]
        # A link serves one job once, so requeueing is switched off, whatever the script or the site sets.
        command = ["sbatch", "--parsable", f"--chdir={request.folder}", *output, *options, "--no-requeue"]
        environment = slurm_variables.environment(os.environ, request.resources)
        # sbatch fails in a folder that was deleted. Otherwise the job may use the folder where it was submitted.
        folder = None if is_here() else request.folder
        done = hand_in([*command, "--", str(request.script), *request.arguments], environment, folder, MAYBE_QUEUED)
        if done.returncode:
            # sbatch's own timeout is often shorter than ours.
            hint = f". {MAYBE_QUEUED}" if "timed out" in done.stderr else ""
            raise refusal(self.name, done.stderr, _MARK, hint)
        return Submission(number_in(self.name, done.stdout), remarks(done.stderr, _MARK))

    def job_states(self, job_ids: Iterable[str]) -> dict[str, JobState]:
        """Ask once for the states of all these jobs; those that are not listed are GONE."""
        # One number that squeue refuses would leave all the others without an answer.
        wanted = sorted(job_id for job_id in job_ids if JOB_ID.fullmatch(job_id) and int(job_id) <= _LARGEST_JOB_ID)
        if not wanted:
            return {}
        # --all includes jobs in hidden partitions and on other clusters of a federation.
        jobs = ["--all", "--states=all", f"--jobs={','.join(wanted)}"]
        command = ["squeue", "--noheader", *jobs, "--format=%i|%T|%U|%S|%N|%r"]
        done = ask(command, _UNIX_TIMES)
        # squeue fails for a single unknown number, but not for one among several.
        forgotten = len(wanted) == 1 and "Invalid job id" in done.stderr
        if done.returncode and not forgotten:
            raise LightshipError(f"squeue failed: {last_line(done.stderr)}", ExitStatus.SCHEDULER)
        states = dict.fromkeys(wanted, GONE)
        for job_id, state in filter(None, map(_parse, done.stdout.split("\n"))):
            # A job of several parts is over when all of them are; of siblings in a federation, a revoked one counts
            # least.
            if job_id in states and (self.over(states[job_id].state) or states[job_id].state == slurm_phrases.REVOKED):
                states[job_id] = state
        return states

    def accounted(self, job_ids: Iterable[str]) -> dict[str, JobState]:
        """The states in the accounting of jobs that squeue no longer lists; empty without accounting."""
        wanted = ",".join(sorted(filter(JOB_ID.fullmatch, job_ids)))
        if not wanted:
            return {}
        try:
            done = ask(
                ["sacct", "--noheader", "--allocations", "--parsable2", f"--jobs={wanted}", f"--format={_COLUMNS}"]
            )
        except LightshipError:
            return {}  # many sites have no accounting, or not on login nodes
        found = {} if done.returncode else dict(filter(None, map(_parse_accounted, done.stdout.split("\n"))))
        return {job_id: job for job_id, job in found.items() if job_id in wanted.split(",")}

    def cancel(self, job_id: str) -> None:
        """Cancel the user's own job, queued or running."""
        done = ask(["scancel", "--", job_id])
        if done.returncode and not _DONE.search(done.stderr):
            raise LightshipError(f"scancel failed: {last_line(done.stderr)}", ExitStatus.SCHEDULER)

    def over(self, state: str) -> bool:
        """Whether a job in this state will never run again."""
        return slurm_phrases.over(state)

    def phrase(self, job: JobState) -> str:
        """The phrase for a job's state, for a person."""
        return slurm_phrases.phrase(job)

    def fault(self) -> str:
        """The reason why job states cannot be asked for; empty if they can."""
        try:
            self.job_states(["1"])  # the job need not exist
        except LightshipError as error:
            return error.sentence
        return ""

    def report(self, job: JobState) -> JobReport:
        """The job's state for the registry."""
        return slurm_phrases.report(job)

    def stop_command(self, job_id: str) -> str:
        """The command with which a user stops the job."""
        return f"scancel {job_id}"


def number_in(scheduler: str, printed: str) -> str:
    """The number of a submitted job; a site may print more before it."""
    job_id = last_line(printed).split(";")[0]
    if not JOB_ID.fullmatch(job_id):
        raise unread(scheduler, printed, MAYBE_QUEUED)
    return job_id


def _options(wanted: Resources, in_script: Sequence[str]) -> list[str]:
    own = [*in_script, *SBATCH.read(wanted.extra)]
    told = {
        "time": wanted.minutes,
        "partition": wanted.partition,
        "account": wanted.account,
        "cpus-per-task": wanted.cores,
        "mem": f"{wanted.memory}M" if wanted.memory else "",
        "gres": f"gpu:{wanted.gpus}" if wanted.gpus else "",
        "nodes": wanted.nodes,
        "ntasks": _tasks(wanted.nodes, own),
        "qos": wanted.qos,
        "reservation": wanted.reservation,
        "constraint": wanted.constraint,
        # A site may set SBATCH_EXPORT, and then the job would have no PATH.
        "export": "" if value_of(own, ("--export",)) else "ALL",
    }
    return [*(f"--{name}={value}" for name, value in told.items() if value), *wanted.extra]


def _tasks(nodes: int, own: Sequence[str]) -> int:
    """The number of tasks for several nodes: Slurm gives no more nodes than tasks, and the site's scripts have one."""
    if nodes < 2 or _count(value_of(own, ("-n", "--ntasks"))) >= nodes:
        return 0
    return nodes * max(1, _count(value_of(own, ("--ntasks-per-node",))))


def _count(text: str) -> int:
    return int(text) if text.isdigit() else 0


def _parse(line: str) -> tuple[str, JobState] | None:
    parts = [part.strip() for part in line.split("|", 5)]
    if len(parts) != 6:
        return None
    job_id, state, uid, start, node, reason = ("" if part in slurm_phrases.UNKNOWN else part for part in parts)
    return _PART.sub("", job_id), JobState(state, reason, _count(start), node, _uid(uid))


def _parse_accounted(line: str) -> tuple[str, JobState] | None:
    parts = [part.strip() for part in line.split("|")]
    if len(parts) != 3 or not parts[1]:
        return None
    job_id, state, uid = parts
    # The state may be "CANCELLED by 1000".
    return _PART.sub("", job_id), JobState(state.split()[0], uid=_uid(uid))


def _uid(text: str) -> int:
    return int(text) if text.isdigit() else NOBODYS
