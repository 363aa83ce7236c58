from __future__ import annotations

from pathlib import Path

import pytest

from lightship_cluster.core.errors import ExitStatus, LightshipError
from lightship_cluster.schedulers import stopping
from lightship_cluster.schedulers.slurm import Slurm
from lightship_cluster.schedulers.stopping import stop_job
from unit.lightship_cluster.schedulers.conftest import Command
from unit.lightship_cluster.world import program


@pytest.mark.parametrize("state", ["CANCELLED", "COMPLETING"])
def test_a_job_that_ends_is_stopped(command: Command, state: str) -> None:
    command("scancel")
    command("squeue", f"17|{state}|1000|N/A|node1|None\n")
    stop_job(Slurm(), "17")


def test_a_job_that_stays_is_said_to(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stopping, "GONE_SECONDS", 0.0)
    monkeypatch.setattr(stopping, "POLL_SECONDS", 0.0)
    command("scancel")
    command("squeue", "17|RUNNING|1000|N/A|node1|None\n")
    with pytest.raises(
        LightshipError, match=r"Job 17 was told to stop and has not .* begun\. To stop it: scancel 17"
    ) as error:
        stop_job(Slurm(), "17")
    assert error.value.status is ExitStatus.SCHEDULER


def test_it_is_looked_for_until_it_has_gone(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stopping, "POLL_SECONDS", 0.0)
    command("scancel")
    states = "[ -e seen ] && state=COMPLETING || state=RUNNING; : >seen"
    program(tmp_path / "squeue", f'#!/bin/sh\ncd {tmp_path}; {states}; echo "17|$state|1000|N/A|node1|None"\n')
    stop_job(Slurm(), "17")
    assert (tmp_path / "seen").exists()


def test_a_scheduler_that_cannot_be_asked_is_believed(command: Command) -> None:
    command("scancel")
    command("squeue", error="slurm_load_jobs error: Unable to contact slurm controller\n", status=1)
    stop_job(Slurm(), "17")


def test_a_users_own_filter_does_not_speak_for_the_job(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SCANCEL_STATE", "SCANCEL_PARTITION", "SLURM_CLUSTERS", "SQUEUE_STATES", "SLURM_EXIT_ERROR"):
        monkeypatch.setenv(name, "none")
    command("squeue", "17|CANCELLED|1000|N/A||None\n")
    noted = command("scancel")
    stop_job(Slurm(), "17")
    assert not [name for name in ("SCANCEL_", "SLURM_CLUSTERS", "SLURM_EXIT_ERROR") if name in noted.read_text()]
