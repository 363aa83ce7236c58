from __future__ import annotations

import pytest

from lightship_cluster.core.errors import ExitStatus, LightshipError
from lightship_cluster.schedulers import none
from lightship_cluster.schedulers.base import GONE, JobReport, JobState, Scheduler
from lightship_cluster.schedulers.every import Every
from lightship_cluster.schedulers.slurm import Slurm
from unit.lightship_cluster.schedulers.conftest import Command


def missing() -> Scheduler:
    raise LightshipError("Not on PATH: sbatch.", ExitStatus.SCHEDULER)


def own_job() -> str:
    return f"here.{none._host()}.1.0"


def test_jobs_of_the_scheduler_and_of_the_machine_are_known_side_by_side(command: Command) -> None:
    command("squeue", "17|RUNNING|2001|||None\n")
    command("sacct", "18|TIMEOUT|2001\n")
    every = Every(Slurm)

    states = every.job_states(["17", own_job(), "here.elsewhere.1.1"])
    assert states["17"] == JobState("RUNNING", uid=2001)
    assert set(states) == {"17", own_job()}
    assert every.accounted(["18", own_job()]) == {"18": JobState("TIMEOUT", uid=2001)}
    assert every.report(states["17"]) == JobReport("running")
    assert every.report(JobState(none.RUNS)) == JobReport("running")


def test_a_machine_without_a_scheduler_still_knows_its_own_jobs() -> None:
    every = Every(missing)

    assert set(every.job_states([own_job()])) == {own_job()}
    # Whatever number somebody makes up.
    assert set(every.job_states([own_job(), "1"])) == {own_job()}
    with pytest.raises(LightshipError, match="sbatch"):
        every.job_states(["1"])
    assert every.accounted([own_job()]) == {}
    assert every.report(GONE).state == "ended"


def test_a_scheduler_that_comes_later_is_found(command: Command) -> None:
    command("squeue", "17|RUNNING|2001|||None\n")
    tries = [missing, Slurm]

    def find() -> Scheduler:
        return tries.pop(0)()

    every = Every(find)
    with pytest.raises(LightshipError, match="Not on PATH"):
        every.job_states(["17"])
    assert "17" in every.job_states(["17"])
    assert "17" in every.job_states(["17"])  # and not looked for again
