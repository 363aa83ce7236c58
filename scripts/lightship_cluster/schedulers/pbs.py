"""OpenPBS and PBS Professional, with `-l select=`. The output of `qstat -F dsv` is read; see pbs_records."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from lightship_cluster.core.errors import ExitStatus, LightshipError
from lightship_cluster.schedulers import (
    job_environment,
    pbs_asking,
    pbs_jobs,
    pbs_phrases,
    pbs_queues,
    pbs_select,
    pbs_values,
)
from lightship_cluster.schedulers.base import (
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
from lightship_cluster.schedulers.pbs_asking import OWN, Done, Qstat
from lightship_cluster.schedulers.pbs_records import Question
from lightship_cluster.schedulers.pbs_values import Record

_JOB_ID = re.compile(r"(?:0|[1-9]\d*)(\.[A-Za-z0-9._-]+)?", re.ASCII)
# The messages of qdel about a finished job: of PBS, and of Torque about one it still lists or no longer knows.
_OVER = re.compile(
    r"Unknown Job Id|nonexistent job id|Job has finished|invalid state for job - COMPLETE", re.IGNORECASE
)
_MARK = "qsub: "
# The variables by which a user names a server; the last is the older form of the second.
_SERVERS = ("PBS_CONF_FILE", "PBS_SERVER", "PBS_DEFAULT")
_MAYBE_QUEUED = "The job may be queued all the same: look with qstat -u $USER, and stop it with qdel and its number."
_NO_HISTORY, _IN_HISTORY = "not configured to maintain job history", "Job has finished"
# The most jobs in one connection, which takes 0.2 s for one job and for hundreds. An agent knows fewer.
_AT_ONCE = 5000


class Pbs:
    """The scheduler PBS, by its commands."""

    name = "PBS"
    # What PBS did to a job, by the exit status (src/include/job.h). Positive ones are the job's own.
    endings: Mapping[int, str] = {
        **dict.fromkeys((-1, -2, -3, -7, -10, -30), "not-started"),
        **dict.fromkeys((-4, -5, -6, -14, -20), "node-failed"),
        **dict.fromkeys((-11, -12, -15), "requeued"),
        **dict.fromkeys((-16, -17, -18, -19, -22), "hook"),
        **dict.fromkeys((-13, -21, -23), "refused"),
        **dict.fromkeys((-24, -25), "cores"),
        **dict.fromkeys((-26, -27), "out-of-memory"),
        -28: "cpu-time",
        -29: "time-limit",
    }
    reservations_are_queues = True
    # Without it, qsub leaves a process behind that talks to the server.
    submit_flags: tuple[str, ...] = ("-f",)

    def __init__(self, qstat: Qstat = OWN) -> None:
        self._qstat = qstat
        # Off by default in PBS; the server's first answer tells.
        self._history = True

    def check(self, resources: Resources, script: Path | None = None) -> str:
        """Refuse a queue that is not there, closed, or too small. Without -p the server itself chooses and refuses."""
        # Resources that PBS cannot express are refused before anything is created.
        _, warning = self._options(resources, resources.extra)
        require_own_server(_SERVERS, ("qstat", "-B", "-f"), r"^Server:\s*(\S+)")
        require_no_time(resources.extra, QSUB)
        require_usable(resources.extra, script, QSUB, (QSUB,))
        queues = self._queues()
        # Another server checks its own queues.
        if resources.partition and "@" not in resources.partition:
            pbs_queues.check(queues, resources)
        if resources.reservation and self.reservations_are_queues:
            pbs_queues.check_reservation(queues, resources)
        return " ".join(filter(None, (warning, unused_time(resources, script, (QSUB,)))))

    def submit(self, request: JobRequest) -> Submission:
        """Submit the job."""
        environment = job_environment.environment(request, os.environ)
        own, extra = job_environment.users_entries(request)
        output = ["-j", "oe", "-o", job_environment.own_output_for_qsub(request.log)]
        options, _ = self._options(request.resources, extra)
        variables = job_environment.names(environment, own)
        command = ["qsub", *self.submit_flags, "-r", "n", *output, "-v", variables, *options]
        done = hand_in([*command, str(request.script)], environment, request.folder, _MAYBE_QUEUED)
        if done.returncode:
            raise refusal(self.name, done.stderr, _MARK)
        job_id = last_line(done.stdout)
        if not _JOB_ID.fullmatch(job_id):
            raise unread(self.name, done.stdout, _MAYBE_QUEUED)
        return Submission(job_id, remarks(done.stderr, _MARK))

    def job_states(self, job_ids: Iterable[str]) -> dict[str, JobState]:
        """Ask for the states of all these jobs, in the history too; jobs that the server does not know are over."""
        wanted = {job_id: pbs_values.number_of(job_id) for job_id in sorted(job_ids)}
        numbers = sorted({number for number in wanted.values() if number}, key=int)
        known: dict[str, JobState] = {}
        for begin in range(0, len(numbers), _AT_ONCE):
            known.update(self._known(numbers[begin : begin + _AT_ONCE]))
        # A job without an answer may be hidden, so it is not called over.
        return {job_id: known[number] for job_id, number in wanted.items() if number in known}

    def accounted(self, _job_ids: Iterable[str]) -> dict[str, JobState]:
        """Empty: the history was asked already, or there is none."""
        return {}

    def cancel(self, job_id: str) -> None:
        """Cancel the user's own job, queued or running."""
        done = ask(["qdel", job_id])
        if done.returncode and not _OVER.search(done.stderr):
            raise LightshipError(f"qdel failed: {last_line(done.stderr, 'qdel: ')}", ExitStatus.SCHEDULER)

    def over(self, state: str) -> bool:
        """Whether a job in this state will never run again."""
        return pbs_phrases.over(state)

    def phrase(self, job: JobState) -> str:
        """The phrase for a job's state, for a person."""
        return pbs_phrases.phrase(job)

    def fault(self) -> str:
        """The reason why the states of others' jobs cannot be asked for; empty if they can."""
        return pbs_asking.fault(self._qstat)

    def report(self, job: JobState) -> JobReport:
        """The job's state for the registry."""
        return pbs_phrases.report(job)

    def stop_command(self, job_id: str) -> str:
        """The command with which a user stops the job."""
        return f"qdel {job_id}"

    def _options(self, wanted: Resources, extra: Sequence[str]) -> tuple[list[str], str]:
        """The options of qsub, with the user's own, and a warning; a reservation is a queue."""
        if wanted.reservation and wanted.partition:
            raise LightshipError(
                f"A reservation of {self.name} is a queue of its own: give -p {wanted.partition} or "
                f"--reservation {wanted.reservation}, not both.",
                ExitStatus.USAGE,
            )
        if wanted.qos:
            raise _unknown(self.name, "quality of service")
        told = {"-q": pbs_values.queue_of(wanted.reservation) or wanted.partition, "-A": wanted.account}
        chunk = {
            "ncpus": str(wanted.cores or ""),
            "mem": f"{wanted.memory}mb" if wanted.memory else "",
            "ngpus": number_of_gpus(self.name, wanted),
        }
        chosen = pbs_select.choose(wanted, {name: value for name, value in chunk.items() if value}, extra)
        resources = [f"walltime={clock(wanted.minutes)}", *chosen.resources]
        return [
            *(word for pair in told.items() if pair[1] for word in pair),
            *(word for resource in resources for word in ("-l", resource)),
            *chosen.options,
        ], chosen.warning

    def _queues(self) -> dict[str, Record]:
        question = Question()
        done = ask(["qstat", "-Q", *question.flags])
        queues = question.records(done.stdout, "Queue")
        if done.returncode or not queues:
            raise silent(self.name, done.stderr)
        return queues

    def _known(self, numbers: list[str]) -> dict[str, JobState]:
        """The states of these jobs: one question for listed jobs, one for those in the history.

        If the server knows some of the jobs, it says nothing about unknown ones. If it knows none, it complains about
        one of them. So unknown jobs get one more question of their own.
        """
        records, done = self._listed(numbers, "-E")
        left = [number for number in numbers if number not in records]
        if left and not records and not pbs_jobs.forgotten(done.stderr):
            raise pbs_asking.no_answer(self._qstat, done)
        self._history |= _IN_HISTORY in done.stderr
        # Without a history the first answer is complete.
        if left and (records or self._history):
            more, done = self._rest(left)
            records.update(more)
            left = [number for number in left if number not in more]
            if left and more:
                _, done = self._rest(left)
            left = left if pbs_jobs.forgotten(done.stderr) else []
        if not records and not left:
            raise pbs_asking.no_answer(self._qstat, done)
        known = {number: pbs_jobs.state_of(record, self.endings) for number, record in records.items()}
        return {**known, **dict.fromkeys(left, pbs_jobs.UNLISTED)}

    def _rest(self, numbers: list[str]) -> tuple[dict[str, Record], Done]:
        records, done = self._listed(numbers, *self._everything())
        if (_NO_HISTORY if self._history else _IN_HISTORY) in done.stderr:
            self._history = not self._history
            records, done = self._listed(numbers, *self._everything())
        return records, done

    def _everything(self) -> list[str]:
        return ["-E", "-x"] if self._history else ["-E"]

    def _listed(self, numbers: list[str], *flags: str) -> tuple[dict[str, Record], Done]:
        question = Question()
        done = self._qstat([*flags, *question.flags, *numbers])
        return pbs_jobs.by_number(question.records(done.stdout, "Job Id"), numbers), done


def clock(minutes: int) -> str:
    """A time in the form of PBS."""
    return f"{minutes // 60:02d}:{minutes % 60:02d}:00"


def number_of_gpus(scheduler: str, wanted: Resources) -> str:
    """The number of GPUs; each site of PBS and Torque has its own names for their types."""
    if wanted.gpus and not wanted.gpus.isdigit():
        raise _unknown(scheduler, "kind of GPU")
    return wanted.gpus


def silent(scheduler: str, complaints: str) -> LightshipError:
    """The error for a server that lists no queues."""
    return LightshipError(
        f"{scheduler} does not answer: {last_line(complaints)} Try again later.", ExitStatus.SCHEDULER
    )


def _unknown(scheduler: str, what: str) -> LightshipError:
    return LightshipError(
        f"{scheduler} knows no {what}. Give what your site has for it after --, as it is given to qsub.",
        ExitStatus.USAGE,
    )
