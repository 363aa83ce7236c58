"""Slurm. Only `-o` formats are read: the shape of `--json` changes from version to version."""

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
# A task of a job array and a part of a heterogeneous job: 123_0, 123_[0-3], 123+0.
_PART = re.compile(r"[_+].*")
_COLUMNS = "JobID,State,UID"
# A format of strftime: the seconds mean the same to whoever is told of them, whatever their time zone.
_UNIX_TIMES = {"SLURM_TIME_FORMAT": "%s"}
_MARK = "sbatch: "
# sbatch reads those of both.
_DIRECTIVES = (SBATCH, QSUB)
# What scancel says of a job that is over already.
_DONE = re.compile(r"Invalid job id specified|already completing or completed")
MAYBE_QUEUED = "The job may be queued all the same: look with squeue --me, and stop it with scancel and its number."


class Slurm:
    """Slurm's commands."""

    name = "Slurm"
    # That of the options which users hand on.
    dialect: Dialect = SBATCH

    def check(self, resources: Resources, script: Path | None = None) -> str:
        """Refuse a partition that is not there or too small: such a job would be refused, or queue for ever."""
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
        """Hand the job in."""
        # A percent sign in the path would be taken for one of Slurm's patterns.
        log = str(request.log).replace("%", "%%")
        options = _options(request.resources, SBATCH.directives(request.script))
        # Both streams: a script or SBATCH_ERROR may send what Jupyter says elsewhere.
        output = [f"--output={log}", f"--error={log}"]
        # A link serves one job once, whatever the script or the site's settings say.
        command = ["sbatch", "--parsable", f"--chdir={request.folder}", *output, *options, "--no-requeue"]
        environment = slurm_variables.environment(os.environ, request.resources)
        # sbatch does not run in a folder that was deleted; elsewhere the job may want to know where it was submitted.
        folder = None if is_here() else request.folder
        done = hand_in([*command, "--", str(request.script), *request.arguments], environment, folder, MAYBE_QUEUED)
        if done.returncode:
            # sbatch's own patience is often shorter than ours.
            hint = f". {MAYBE_QUEUED}" if "timed out" in done.stderr else ""
            raise refusal(self.name, done.stderr, _MARK, hint)
        return Submission(number_in(self.name, done.stdout), remarks(done.stderr, _MARK))

    def job_states(self, job_ids: Iterable[str]) -> dict[str, JobState]:
        """Ask once about all these jobs; those that are not listed are GONE."""
        # One number that squeue refuses to read would leave all the others without an answer.
        wanted = sorted(job_id for job_id in job_ids if JOB_ID.fullmatch(job_id) and int(job_id) <= _LARGEST_JOB_ID)
        if not wanted:
            return {}
        # All: also those in hidden partitions, and those that another cluster of a federation runs.
        jobs = ["--all", "--states=all", f"--jobs={','.join(wanted)}"]
        command = ["squeue", "--noheader", *jobs, "--format=%i|%T|%U|%S|%N|%r"]
        done = ask(command, _UNIX_TIMES)
        # squeue fails for one number that it no longer knows, but not for one among several.
        forgotten = len(wanted) == 1 and "Invalid job id" in done.stderr
        if done.returncode and not forgotten:
            raise LightshipError(f"squeue failed: {last_line(done.stderr)}", ExitStatus.SCHEDULER)
        states = dict.fromkeys(wanted, GONE)
        for job_id, state in filter(None, map(_parse, done.stdout.split("\n"))):
            # A job of several parts is over when none of them lives; of siblings the one that was revoked tells least.
            if job_id in states and (self.over(states[job_id].state) or states[job_id].state == slurm_phrases.REVOKED):
                states[job_id] = state
        return states

    def accounted(self, job_ids: Iterable[str]) -> dict[str, JobState]:
        """What the accounting knows of jobs that squeue no longer lists; nothing where there is no accounting."""
        wanted = ",".join(sorted(filter(JOB_ID.fullmatch, job_ids)))
        if not wanted:
            return {}
        try:
            done = ask(
                ["sacct", "--noheader", "--allocations", "--parsable2", f"--jobs={wanted}", f"--format={_COLUMNS}"]
            )
        except LightshipError:
            return {}  # many sites keep no accounts, or not on login nodes
        found = {} if done.returncode else dict(filter(None, map(_parse_accounted, done.stdout.split("\n"))))
        return {job_id: job for job_id, job in found.items() if job_id in wanted.split(",")}

    def cancel(self, job_id: str) -> None:
        """Take the user's own job out of the queue, or stop it."""
        done = ask(["scancel", "--", job_id])
        if done.returncode and not _DONE.search(done.stderr):
            raise LightshipError(f"scancel failed: {last_line(done.stderr)}", ExitStatus.SCHEDULER)

    def over(self, state: str) -> bool:
        """Whether a job in this state will never run again."""
        return slurm_phrases.over(state)

    def phrase(self, job: JobState) -> str:
        """The job's state for a person."""
        return slurm_phrases.phrase(job)

    def fault(self) -> str:
        """Why jobs cannot be asked about; nothing when they can."""
        try:
            self.job_states(["1"])  # whether there is such a job or not
        except LightshipError as error:
            return error.sentence
        return ""

    def report(self, job: JobState) -> JobReport:
        """The job's state for the registry."""
        return slurm_phrases.report(job)

    def stop_command(self, job_id: str) -> str:
        """What a user types to stop the job."""
        return f"scancel {job_id}"


def number_in(scheduler: str, printed: str) -> str:
    """The number of a job that was taken; a site may print more before it."""
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
        # A site may say otherwise with SBATCH_EXPORT, and then the job would have no PATH.
        "export": "" if value_of(own, ("--export",)) else "ALL",
    }
    return [*(f"--{name}={value}" for name, value in told.items() if value), *wanted.extra]


def _tasks(nodes: int, own: Sequence[str]) -> int:
    """How many tasks several nodes need: Slurm gives no more nodes than tasks, and the site's scripts say one."""
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
    # "CANCELLED by 1000" names who did it.
    return _PART.sub("", job_id), JobState(state.split()[0], uid=_uid(uid))


def _uid(text: str) -> int:
    return int(text) if text.isdigit() else NOBODYS
