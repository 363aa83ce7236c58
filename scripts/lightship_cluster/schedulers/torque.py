"""Torque, with `-l nodes=N:ppn=C`: the genuine one, and Slurm's commands with the same names.

Torque's `qstat` has the usual format and XML, by `-x`. Of Slurm's commands only `qsub` is used: its `qstat -f` (24.11)
fails at a running job, and its `qdel` kills a job before it can clean up.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace

from lightship_cluster.schedulers import (
    job_environment,
    pbs_asking,
    pbs_jobs,
    slurm_variables,
    torque_records,
)
from lightship_cluster.schedulers.base import (
    GONE,
    JobRequest,
    JobState,
    Resources,
    Submission,
    ask,
    hand_in,
    last_line,
    refusal,
)
from lightship_cluster.schedulers.own_options import QSUB, SBATCH, Dialect, parted, value_of
from lightship_cluster.schedulers.pbs import Pbs, clock, number_of_gpus, silent
from lightship_cluster.schedulers.pbs_values import Record
from lightship_cluster.schedulers.slurm import MAYBE_QUEUED, Slurm, number_in

_REASON = "sbatch: error: "
# The option of qsub that exports the whole environment.
_ALL = "-V"


class Torque(Pbs):
    """The scheduler Torque, by its commands."""

    name = "Torque"
    # From the manual's table of job exit statuses.
    endings: Mapping[int, str] = {-11: "time-limit", -10: "out-of-memory", -1: "not-started", -2: "not-started"}
    reservations_are_queues = False
    # -f means something else here.
    submit_flags: tuple[str, ...] = ()

    def _options(self, wanted: Resources, extra: Sequence[str]) -> tuple[list[str], str]:
        told = {
            "-q": wanted.partition,
            "-A": wanted.account,
            # The form of Maui and Moab, the schedulers used with Torque.
            "-W": f"x=FLAGS:ADVRES:{wanted.reservation}" if wanted.reservation else "",
            "-l": ",".join(_resources(self.name, wanted)),
        }
        return [*(word for pair in told.items() if pair[1] for word in pair), *extra], ""

    def _queues(self) -> dict[str, Record]:
        done = ask(["qstat", "-Q", "-f"])
        queues = torque_records.queues(done.stdout)
        if done.returncode or not queues:
            raise silent(self.name, done.stderr)
        return queues

    def _known(self, numbers: list[str]) -> dict[str, JobState]:
        """The states of these jobs; Torque lists a finished job for a while with state C, then no longer."""
        done = self._qstat(["-f", *numbers])
        records, twice = torque_records.jobs(done.stdout)
        # A user's value can look like another user's job, so the server's own messages count more.
        gone = pbs_jobs.forgotten(done.stderr) & set(numbers)
        for number in sorted(twice & set(numbers) - gone):
            records.update(torque_records.first_job(self._qstat(["-f", number]).stdout, number))
        listed = pbs_jobs.by_number(records, set(numbers) - gone)
        if not listed and not gone:
            raise pbs_asking.no_answer(self._qstat, done)
        known = {number: pbs_jobs.state_of(record, self.endings) for number, record in listed.items()}
        return {**known, **dict.fromkeys(gone, GONE)}


class SlurmTorque(Slurm):
    """Slurm, used by Torque's commands."""

    name = "Torque on Slurm"
    dialect: Dialect = QSUB

    def submit(self, request: JobRequest) -> Submission:
        """Submit the job; Slurm's qsub does not pass on the remarks of sbatch."""
        wanted = request.resources
        own, extra = job_environment.users_entries(request)
        options, variables = _export(request, own, extra)
        # Of several lists of resources it uses only the last.
        options, resources = parted(options, "-l")
        # Slurm's qsub passes on the whole environment, from which sbatch reads what qsub has no option for.
        users = slurm_variables.environment(os.environ, wanted)
        environment = {**job_environment.environment(request, users), **_for_sbatch(request), **variables}
        log = str(request.log).replace("%", "%%")
        told = {"-q": wanted.partition, "-A": wanted.account, "-l": ",".join([*self._list(wanted), *resources])}
        output = ["-r", "n", "-j", "oe", "-o", log]
        asked = [word for pair in told.items() if pair[1] for word in pair]
        # It puts all arguments unquoted into a shell command.
        quoted = [shlex.quote(word) for word in (*output, *asked, *options, str(request.script))]
        done = hand_in(["qsub", *quoted], environment, request.folder, MAYBE_QUEUED)
        if done.returncode:
            raise refusal("Slurm", _why(done.stdout + done.stderr), "")
        return Submission(number_in("Slurm", done.stdout))

    def _list(self, wanted: Resources) -> list[str]:
        # sbatch takes memory for each node, and qsub hands the number on.
        memory = [f"mem={wanted.memory}mb"] if wanted.memory else []
        # It makes tasks of the cores: without any, or unevenly spread, several nodes would not be got as asked for.
        cores = wanted.cores or (1 if wanted.nodes > 1 else 0)
        spread = [f"mppnppn={cores}"] if wanted.nodes > 1 else []
        bare = replace(wanted, cores=cores, memory=0, gpus="", qos="", constraint="")
        return [*_resources(self.name, bare), *spread, *memory]


def _resources(scheduler: str, wanted: Resources) -> list[str]:
    """The resources in Torque's syntax, where `mem` is for the whole job on all nodes."""
    gpus = number_of_gpus(scheduler, wanted)
    parts = [
        str(wanted.nodes or 1),
        *([f"ppn={wanted.cores}"] if wanted.cores else []),
        *([f"gpus={gpus}"] if gpus else []),
        *filter(None, [wanted.constraint]),
    ]
    memory = wanted.memory * max(1, wanted.nodes)
    return [
        f"walltime={clock(wanted.minutes)}",
        *([f"nodes={':'.join(parts)}"] if wanted.nodes or len(parts) > 1 else []),
        *([f"mem={memory}mb"] if memory else []),
        *([f"qos={wanted.qos}"] if wanted.qos else []),
    ]


def _export(request: JobRequest, own: Mapping[str, str], extra: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """The user's options, and the variables for sbatch that make a job inherit the right variables.

    A job inherits all of them, even if the site sets SBATCH_EXPORT, unless the user names some. qsub would split a list
    at quoted commas and put the values into a shell command, so sbatch gets the list itself.
    """
    if own:
        everything = ["ALL"] if _ALL in [*QSUB.directives(request.script), *extra] else []
        ours = (job_environment.LINK, job_environment.REGISTER)
        variables = [*everything, *ours, *map(job_environment.for_sbatch, own.values())]
        return [word for word in extra if word != _ALL], {"SBATCH_EXPORT": ",".join(variables)}
    chosen = value_of(SBATCH.directives(request.script), ("--export",))
    return [*([] if chosen else [_ALL]), *extra], {}


def _for_sbatch(request: JobRequest) -> dict[str, str]:
    wanted = request.resources
    told = {
        "SBATCH_QOS": wanted.qos,
        "SBATCH_RESERVATION": wanted.reservation,
        "SBATCH_CONSTRAINT": wanted.constraint,
        "SBATCH_GPUS_PER_NODE": wanted.gpus,
    }
    return {name: value for name, value in told.items() if value}


def _why(output: str) -> str:
    """Slurm's own message, without what qsub prints around it."""
    errors = [line.split(_REASON, 1)[1].strip(" '") for line in output.splitlines() if _REASON in line]
    return "\n".join(errors) or last_line(output)
