"""A job's time limit comes from the link's time and from no other source."""

from __future__ import annotations

from pathlib import Path

import pytest

from lightship_cluster.core.errors import ExitStatus, LightshipError
from lightship_cluster.schedulers.base import Resources, Scheduler
from lightship_cluster.schedulers.own_options import QSUB, SBATCH, Dialect
from lightship_cluster.schedulers.own_times import time_in
from lightship_cluster.schedulers.pbs import Pbs
from lightship_cluster.schedulers.slurm import Slurm
from lightship_cluster.schedulers.torque import SlurmTorque, Torque
from unit.lightship_cluster.schedulers.conftest import Command


@pytest.fixture(autouse=True)
def asked(command: Command) -> None:
    command("sinfo", "compute*|up|1-00:00:00|16|16000|(null)\n")
    command("qstat", "Queue: batch\n    enabled = True\n    started = True\n")


@pytest.mark.parametrize(
    ("scheduler", "extra"),
    [
        (Slurm(), ("-t", "240")),
        (Slurm(), ("-t240",)),
        (Slurm(), ("--exclusive", "--time=4:00:00")),
        (Slurm(), ("--time", "0-4")),
        (Pbs(), ("-l", "walltime=4:00:00")),
        (Pbs(), ("-lwalltime=4:00:00",)),
        (Pbs(), ("-l", "select=1:ncpus=2,walltime=4:00:00", "-l", "place=excl")),
        (Torque(), ("-l", "nodes=1:ppn=2,walltime=14400")),
        (SlurmTorque(), ("-l", "walltime=4:00:00")),
    ],
)
def test_a_time_among_a_users_own_options_is_refused(scheduler: Scheduler, extra: tuple[str, ...]) -> None:
    with pytest.raises(LightshipError, match=r"Give the time with -t: the link ends with it\.") as refused:
        scheduler.check(Resources(30, extra=extra))
    assert refused.value.status is ExitStatus.USAGE


@pytest.mark.parametrize(
    ("words", "dialect"),
    [
        (["--time-min=10", "--comment=-t 5", "-T", "4"], SBATCH),
        (["-l", "select=1:ncpus=2", "-l", "place=excl", "-N", "walltime=4"], QSUB),
        (["-l", "max_walltime=4:00:00"], QSUB),
        (["-t"], SBATCH),
    ],
)
def test_what_only_looks_like_a_time_is_none(words: list[str], dialect: Dialect) -> None:
    assert time_in(words, dialect) == ""


@pytest.mark.parametrize(
    ("scheduler", "line", "time"),
    [
        (Slurm(), "#SBATCH --time=08:00:00", "08:00:00"),
        (Slurm(), "#SBATCH -t 30:01", "30:01"),
        (Slurm(), "#SBATCH --time=UNLIMITED", "UNLIMITED"),
        (Slurm(), "#PBS -l walltime=08:00:00", "08:00:00"),
        (SlurmTorque(), "#SBATCH -t 1-0", "1-0"),
        (Pbs(), "#PBS -l select=1:ncpus=2,walltime=08:00:00", "08:00:00"),
        (Torque(), "#PBS -l nodes=1\n#PBS -l walltime=30", "30"),
    ],
)
def test_a_script_is_told_that_its_time_is_not_used(tmp_path: Path, scheduler: Scheduler, line: str, time: str) -> None:
    script = tmp_path / "own.sh"
    script.write_text(f"#!/bin/bash\n{line}\n")

    assert scheduler.check(Resources(30), script) == (
        f"The batch script's own time, {time}, is not used: the job gets 30 min. Give the time with -t."
    )
    assert scheduler.check(Resources(30, timed=True), script) == ""


@pytest.mark.parametrize(
    ("scheduler", "line", "minutes"),
    [
        *((Slurm(), f"#SBATCH -t {time}", 90) for time in ("90", "90:00", "1:30:00", "0-1:30", "0-01:30:00")),
        (Slurm(), "#SBATCH -t 1-12", 36 * 60),
        *((Pbs(), f"#PBS -l walltime={time}", 90) for time in ("5400", "90:00", "1:30:00")),
        (Slurm(), "#SBATCH --exclusive", 90),
    ],
)
def test_nothing_is_said_of_a_time_that_is_the_same(
    tmp_path: Path, scheduler: Scheduler, line: str, minutes: int
) -> None:
    script = tmp_path / "own.sh"
    script.write_text(f"#!/bin/bash\n{line}\n")

    assert "own time" not in scheduler.check(Resources(minutes), script)


def test_both_warnings_are_given(tmp_path: Path) -> None:
    script = tmp_path / "own.sh"
    script.write_text("#!/bin/bash\n#SBATCH -t 60\n")

    said = Slurm().check(Resources(1441), script)
    assert said.startswith("Jobs that name no partition go to compute, which gives 24 h 00 min at most")
    assert said.endswith(" Give the time with -t.")
