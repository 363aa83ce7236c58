"""Slurm. Only `-o` formats are read: the shape of `--json` changes from version to version."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable

from lightship_cluster.errors import ExitStatus, LightshipError
from lightship_cluster.schedulers.base import GONE, JobRequest, JobState, NoAnswerError, ask, run

_JOB_ID = re.compile(r"[1-9]\d{0,9}", re.ASCII)
_LARGEST_JOB_ID = 2**31 - 1
# A task of a job array and a part of a heterogeneous job: 123_0, 123_[0-3], 123+0.
_PART = re.compile(r"[_+].*")
_STANDARD_TIMES = {"SLURM_TIME_FORMAT": "standard"}
_UNKNOWN = {"", "N/A", "(null)", "None"}

_ENDED = {
    "BOOT_FAIL": "the node did not boot",
    "CANCELLED": "the job was cancelled",
    "COMPLETED": "the job is over",
    "DEADLINE": "the job's deadline passed",
    "FAILED": "the job failed",
    "GONE": "the job is over and Slurm no longer lists it",
    "NODE_FAIL": "the compute node failed",
    "OUT_OF_MEMORY": "the job used more memory than it had asked for",
    "PREEMPTED": "the job was stopped for a more urgent one",
    "REVOKED": "the job was revoked",
    "TIMEOUT": "the job's time is over",
}
_ALIVE = {
    "PENDING": "queued",
    "CONFIGURING": "its node is being made ready",
    "RUNNING": "the job has begun",
    "SUSPENDED": "the job is suspended",
    "REQUEUED": "queued again",
    "COMPLETING": "the job is ending",
}
_REASONS = {
    "BadConstraints": "no node has what it asks for",
    "BeginTime": "its start time has not come",
    "Dependency": "it waits for another job",
    "InvalidAccount": "its account is not valid; cancel it and give another with -A",
    "InvalidQOS": "its quality of service is not valid",
    "JobHeldAdmin": "an administrator holds it",
    "JobHeldUser": "it is on hold",
    "Licenses": "it waits for a licence",
    "NodeDown": "a node that it needs is down",
    "PartitionDown": "the partition is closed",
    "PartitionInactive": "the partition is closed",
    "PartitionNodeLimit": "it asks for more nodes than the partition allows",
    "PartitionTimeLimit": "it asks for more time than the partition allows; cancel it and give a shorter -t",
    "Priority": "other jobs are before it",
    "ReqNodeNotAvail": "nodes that it needs are down or reserved",
    "Reservation": "its reservation has not begun",
    "Resources": "it waits for free resources",
}
# Families of reasons that differ only in which limit was met.
_REASON_STARTS = {
    "Assoc": "a limit of your account is reached",
    "QOS": "a limit of the quality of service is reached",
    "MaxCpuPerAccount": "a limit of your account is reached",
}

_MAYBE_QUEUED = "The job may be queued all the same: look with squeue --me, and stop it with scancel and its number."


class Slurm:
    """Slurm's commands."""

    name = "Slurm"

    def check_partitions(self, partition: str) -> None:
        """Refuse a partition that is not there, naming those that are."""
        done = ask(["sinfo", "--all", "--noheader", "--format=%P"])
        if done.returncode:
            raise LightshipError(f"Slurm does not answer: {_last_line(done.stderr)}", ExitStatus.SCHEDULER)
        listed = sorted({line.strip() for line in done.stdout.splitlines() if line.strip()})
        known = {name.rstrip("*") for name in listed}
        for name in filter(None, partition.split(",")):
            if name not in known:
                names = ", ".join(entry.replace("*", " (default)") for entry in listed)
                raise LightshipError(
                    f"There is no partition {name!r}. This cluster has: {names}. Choose one with -p.",
                    ExitStatus.PARTITION,
                )

    def submit(self, request: JobRequest) -> str:
        """Hand the job in and return its number."""
        # A percent sign in the path would be taken for one of Slurm's patterns.
        log = str(request.log).replace("%", "%%")
        command = ["sbatch", "--parsable", f"--time={request.minutes}", f"--chdir={request.folder}", f"--output={log}"]
        command += [f"--partition={request.partition}"] if request.partition else []
        command += [f"--account={request.account}"] if request.account else []
        try:
            done = run([*command, "--", str(request.script), *request.arguments], os.environ)
        except NoAnswerError as error:
            raise NoAnswerError(f"{error.sentence} {_MAYBE_QUEUED}", error.status) from error
        job_id = done.stdout.strip().split(";")[0]
        if done.returncode or not _JOB_ID.fullmatch(job_id):
            # sbatch's own patience is often shorter than ours.
            hint = f". {_MAYBE_QUEUED}" if "timed out" in done.stderr else ""
            raise LightshipError(f"Slurm did not take the job: {_last_line(done.stderr)}{hint}", ExitStatus.SUBMIT)
        return job_id

    def job_states(self, job_ids: Iterable[str]) -> dict[str, JobState]:
        """Ask once about all these jobs; those that are not listed are GONE."""
        # One number that squeue refuses to read would leave all the others without an answer.
        wanted = sorted(job_id for job_id in job_ids if _JOB_ID.fullmatch(job_id) and int(job_id) <= _LARGEST_JOB_ID)
        if not wanted:
            return {}
        command = ["squeue", "--noheader", "--states=all", f"--jobs={','.join(wanted)}", "--format=%i|%T|%U|%S|%N|%r"]
        done = ask(command, _STANDARD_TIMES)
        # squeue fails for one number that it no longer knows, but not for one among several.
        forgotten = len(wanted) == 1 and "Invalid job id" in done.stderr
        if done.returncode and not forgotten:
            raise LightshipError(f"squeue failed: {_last_line(done.stderr)}", ExitStatus.SCHEDULER)
        states = dict.fromkeys(wanted, GONE)
        for job_id, state in filter(None, map(_parse, done.stdout.splitlines())):
            # A job of several parts is over when none of them lives.
            if job_id in states and self.over(states[job_id].state):
                states[job_id] = state
        return states

    def over(self, state: str) -> bool:
        """Whether a job in this state will never run again."""
        return state in _ENDED

    def words(self, job: JobState) -> str:
        """The job's state for a person."""
        words = _ENDED.get(job.state) or _ALIVE.get(job.state) or job.state.lower().replace("_", " ")
        reason = "" if job.state in ("RUNNING", *_ENDED) else _reason(job.reason)
        return words + (f": {reason}" if reason else "") + _estimate(job)

    def stop_command(self, job_id: str) -> str:
        """What a user types to stop the job."""
        return f"scancel {job_id}"


def _parse(line: str) -> tuple[str, JobState] | None:
    parts = [part.strip() for part in line.split("|", 5)]
    if len(parts) != 6:
        return None
    job_id, state, uid, start, node, reason = ("" if part in _UNKNOWN else part for part in parts)
    return _PART.sub("", job_id), JobState(state, reason, start, node, int(uid) if uid.isdigit() else -1)


def _estimate(job: JobState) -> str:
    if job.state != "PENDING" or not job.start:
        return ""
    return f", expected to start at {job.start[:16].replace('T', ' ')}"


def _reason(reason: str) -> str:
    plain = reason.strip("()").split(",")[0]
    if plain in _UNKNOWN:
        return ""
    family = (words for start, words in _REASON_STARTS.items() if plain.startswith(start))
    return _REASONS.get(plain) or next(family, plain)


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1].replace("sbatch: error: ", "") if lines else "it gave no reason."
