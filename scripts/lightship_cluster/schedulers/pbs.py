"""OpenPBS and PBS Professional, with `-l select=`.

`qstat -F json` is asked first. Some versions print JSON that is none, for the sake of some user's variables
(github.com/openpbs/openpbs/issues/1255 and 2541), or the first job alone (2672): the usual output then has the rest.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from lightship_cluster.errors import ExitStatus, LightshipError
from lightship_cluster.schedulers import carried, own_variables, pbs_asking, pbs_jobs, pbs_queues, pbs_text, pbs_words
from lightship_cluster.schedulers.base import (
    GONE,
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
from lightship_cluster.schedulers.own_options import QSUB, require_usable
from lightship_cluster.schedulers.own_server import require_own_server
from lightship_cluster.schedulers.own_times import require_no_time, unused_time
from lightship_cluster.schedulers.pbs_text import Record

_JOB_ID = re.compile(r"[1-9]\d*(\.[A-Za-z0-9._-]+)?", re.ASCII)
# What qdel says of a job that is over already: PBS, and Torque of one it still lists or no longer knows.
_OVER = re.compile(
    r"Unknown Job Id|nonexistent job id|Job has finished|invalid state for job - COMPLETE", re.IGNORECASE
)
_MARK = "qsub: "
# How a user names a server; the last is the older form of the second.
_SERVERS = ("PBS_CONF_FILE", "PBS_SERVER", "PBS_DEFAULT")
_MAYBE_QUEUED = "The job may be queued all the same: look with qstat -u $USER, and stop it with qdel and its number."


class Pbs:
    """PBS's commands."""

    name = "PBS"
    # What PBS itself did to a job, as its exit status: from src/include/job.h and the manual.
    endings: Mapping[int, str] = {-29: "time-limit", -27: "out-of-memory", -26: "out-of-memory", -3: "node-failed"}
    # qsub would leave a process behind that speaks with the server for it.
    submit_flags: tuple[str, ...] = ("-f",)

    def __init__(self, qstat: pbs_asking.Qstat = pbs_asking.OWN) -> None:
        self._qstat = qstat

    def check(self, resources: Resources, script: Path | None = None) -> str:
        """Refuse a queue that is not there, closed, or too small. Without -p the server itself chooses and refuses."""
        self._options(resources)  # what there is no word for is refused before anything is made
        require_own_server(_SERVERS, ("qstat", "-B", "-f"), r"^Server:\s*(\S+)")
        require_no_time(resources.extra, QSUB)
        require_usable(resources.extra, script, QSUB, (QSUB,))
        done = ask(["qstat", "-Q", "-f"])
        queues = pbs_text.of_text(done.stdout)
        if done.returncode or not queues:
            raise LightshipError(
                f"{self.name} does not answer: {last_line(done.stderr)} Try again later.", ExitStatus.SCHEDULER
            )
        # A queue of another server is that server's to check.
        if resources.partition and "@" not in resources.partition:
            pbs_queues.check(queues, resources)
        return unused_time(resources, script, (QSUB,))

    def submit(self, request: JobRequest) -> Submission:
        """Hand the job in."""
        environment = carried.environment(request, os.environ)
        own, extra = own_variables.taken_from(request)
        output = ["-j", "oe", "-o", str(carried.own_output(request.log))]
        wishes = [*self._options(request.resources), *extra]
        command = ["qsub", *self.submit_flags, "-r", "n", *output, "-v", carried.names(environment, own), *wishes]
        done = hand_in([*command, str(request.script)], environment, request.folder, _MAYBE_QUEUED)
        if done.returncode:
            raise refusal(self.name, done.stderr, _MARK)
        job_id = last_line(done.stdout)
        if not _JOB_ID.fullmatch(job_id):
            raise unread(self.name, done.stdout, _MAYBE_QUEUED)
        return Submission(job_id, remarks(done.stderr, _MARK))

    def job_states(self, job_ids: Iterable[str]) -> dict[str, JobState]:
        """Ask once about all these jobs; those that the server says it does not know are GONE."""
        return self._states(job_ids, ())

    def accounted(self, job_ids: Iterable[str]) -> dict[str, JobState]:
        """What the server's history knows of jobs that are over; nothing where it keeps none."""
        try:
            found = self._states(job_ids, ("-x",))
        except LightshipError:
            return {}
        return {job_id: job for job_id, job in found.items() if job != GONE}

    def cancel(self, job_id: str) -> None:
        """Take the user's own job out of the queue, or stop it."""
        done = ask(["qdel", job_id])
        if done.returncode and not _OVER.search(done.stderr):
            raise LightshipError(f"qdel failed: {last_line(done.stderr, 'qdel: ')}", ExitStatus.SCHEDULER)

    def over(self, state: str) -> bool:
        """Whether a job in this state will never run again."""
        return pbs_words.over(state)

    def words(self, job: JobState) -> str:
        """The job's state for a person."""
        return pbs_words.words(job)

    def fault(self) -> str:
        """Why others' jobs cannot be asked about; nothing when they can."""
        return pbs_asking.fault(self._qstat)

    def report(self, job: JobState) -> JobReport:
        """The job's state for the registry."""
        return pbs_words.report(job)

    def stop_command(self, job_id: str) -> str:
        """What a user types to stop the job."""
        return f"qdel {job_id}"

    def _options(self, wanted: Resources) -> list[str]:
        """What PBS is asked for; a reservation is a queue."""
        if wanted.reservation and wanted.partition:
            raise LightshipError(
                f"A reservation of {self.name} is a queue of its own: give -p {wanted.partition} or "
                f"--reservation {wanted.reservation}, not both.",
                ExitStatus.USAGE,
            )
        told = {"-q": wanted.reservation or wanted.partition, "-A": wanted.account}
        if wanted.qos:
            raise _unknown(self.name, "quality of service")
        chunk = {
            "ncpus": wanted.cores or "",
            "mem": f"{wanted.memory}mb" if wanted.memory else "",
            "ngpus": number_of_gpus(self.name, wanted),
        }
        parts = [*(f"{name}={value}" for name, value in chunk.items() if value), *filter(None, [wanted.constraint])]
        select = [":".join([str(wanted.nodes or 1), *parts])] if parts or wanted.nodes else []
        resources = [f"walltime={clock(wanted.minutes)}", *(f"select={chunk}" for chunk in select)]
        return [word for pair in told.items() if pair[1] for word in pair] + [
            word for resource in resources for word in ("-l", resource)
        ]

    def _records(self, numbers: list[str], flags: tuple[str, ...]) -> tuple[dict[str, Record], str]:
        """What is known of these jobs by their numbers, and what qstat complained about."""
        done = self._qstat([*flags, "-f", "-F", "json", *numbers])
        records = pbs_jobs.by_number(pbs_text.of_json(done.stdout, "Jobs"))
        left = [number for number in numbers if number not in records and number not in pbs_jobs.forgotten(done.stderr)]
        if not left:
            return records, done.stderr
        more, complaints = self._printed(left, flags)
        return {**more, **records}, done.stderr + complaints

    def _printed(self, numbers: list[str], flags: tuple[str, ...]) -> tuple[dict[str, Record], str]:
        done = self._qstat([*flags, "-f", *numbers])
        return pbs_jobs.by_number(pbs_text.of_text(done.stdout)), done.stderr

    def _states(self, job_ids: Iterable[str], flags: tuple[str, ...]) -> dict[str, JobState]:
        wanted = {job_id: pbs_text.number_of(job_id) for job_id in sorted(job_ids)}
        numbers = sorted({number for number in wanted.values() if number})
        if not numbers:
            return {}
        records, complaints = self._records(numbers, flags)
        unknown = pbs_jobs.forgotten(complaints)
        if not records and not unknown:
            raise pbs_asking.no_answer(self._qstat, pbs_asking.Done((), 0, "", complaints))
        known = {number: pbs_jobs.state_of(record, self.endings) for number, record in records.items()}
        known.update({number: GONE for number in unknown if number not in known})
        # A job about which nothing was said may be hidden; it is not called over.
        return {job_id: known[number] for job_id, number in wanted.items() if number in known}


def clock(minutes: int) -> str:
    """A time as PBS takes it."""
    return f"{minutes // 60:02d}:{minutes % 60:02d}:00"


def number_of_gpus(scheduler: str, wanted: Resources) -> str:
    """How many GPUs; each site of PBS and Torque has names of its own for kinds of them."""
    if wanted.gpus and not wanted.gpus.isdigit():
        raise _unknown(scheduler, "kind of GPU")
    return wanted.gpus


def _unknown(scheduler: str, what: str) -> LightshipError:
    return LightshipError(
        f"{scheduler} knows no {what}. Give what your site has for it after --, as it is given to qsub.",
        ExitStatus.USAGE,
    )
