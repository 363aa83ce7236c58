"""Torque's commands as Slurm ships them: programs that hand on to sbatch what Torque's users are used to type.

Only `qsub` is used. The `qstat -f` of Slurm 24.11 ends with an error at a running job, and its `qdel` kills a job
without letting it tidy up; Slurm's own commands are on the same host.
"""

from __future__ import annotations

import os
import shlex
from dataclasses import replace

from lightship_cluster.errors import ExitStatus, LightshipError
from lightship_cluster.schedulers import carried
from lightship_cluster.schedulers.base import JobRequest, NoAnswerError, Resources, last_line, run
from lightship_cluster.schedulers.slurm import JOB_ID, MAYBE_QUEUED, Slurm
from lightship_cluster.schedulers.torque import resources

_REASON = "sbatch: error: "


class SlurmTorque(Slurm):
    """Slurm, spoken to in Torque's language."""

    name = "Torque on Slurm"
    batch = "torque"

    def submit(self, request: JobRequest) -> str:
        """Hand the job in and return its number."""
        wanted = request.resources
        # Slurm's qsub hands the whole environment on; what it has no option for, sbatch reads there.
        environment = {**carried.environment(request, os.environ), **_for_sbatch(request)}
        log = str(request.log).replace("%", "%%")
        told = {"-q": wanted.partition, "-A": wanted.account, "-l": ",".join(self._resources(wanted))}
        options = ["-r", "n", "-j", "oe", "-o", log, *(word for pair in told.items() if pair[1] for word in pair)]
        # It puts all of them into a line for a shell as they are.
        quoted = [shlex.quote(word) for word in (*options, *wanted.extra, str(request.script))]
        try:
            done = run(["qsub", *quoted], environment, request.folder)
        except NoAnswerError as error:
            raise NoAnswerError(f"{error.sentence} {MAYBE_QUEUED}", error.status) from error
        job_id = done.stdout.strip()
        if done.returncode or not JOB_ID.fullmatch(job_id):
            raise LightshipError(f"Slurm did not take the job: {_why(done.stdout + done.stderr)}", ExitStatus.SUBMIT)
        return job_id

    def _resources(self, wanted: Resources) -> list[str]:
        # sbatch takes memory for each node, and qsub hands the number on.
        memory = [f"mem={wanted.memory}mb"] if wanted.memory else []
        bare = replace(wanted, memory=0, gpus="", qos="", constraint="")
        return [*resources(self.name, bare), *memory]


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
    """Slurm's own words out of the many that qsub prints around them."""
    errors = [line.split(_REASON, 1)[1] for line in output.splitlines() if _REASON in line]
    return errors[-1].strip(" '") if errors else last_line(output)
