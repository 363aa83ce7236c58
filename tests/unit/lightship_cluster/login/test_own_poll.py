from __future__ import annotations

import pytest

from lightship_cluster.login import own_poll
from lightship_cluster.login.own_poll import OwnPoll
from lightship_cluster.schedulers.base import JobState
from lightship_cluster.schedulers.slurm import Slurm
from unit.lightship_cluster.schedulers.conftest import Command, command

__all__ = ["command"]


def test_the_scheduler_is_not_asked_at_once(command: Command) -> None:
    noted = command("squeue", "17|PENDING|2001|||Priority\n")

    assert OwnPoll(Slurm(), "17").job() is None
    assert not noted.exists()


def test_it_is_asked_for_the_one_job_and_not_again_for_a_while(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    noted = command("squeue", "17|PENDING|2001|||Priority\n")
    monkeypatch.setattr(own_poll, "POLL_SECONDS", 0.0)
    look = OwnPoll(Slurm(), "17")
    monkeypatch.setattr(own_poll, "POLL_SECONDS", 3600.0)

    assert look.job() == JobState("PENDING", "Priority", uid=2001)
    noted.unlink()
    assert look.job() == JobState("PENDING", "Priority", uid=2001)
    assert not noted.exists()


def test_a_scheduler_that_does_not_answer_says_nothing(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    command("squeue", "", "Unable to contact slurm controller\n", 1)
    monkeypatch.setattr(own_poll, "POLL_SECONDS", 0.0)

    assert OwnPoll(Slurm(), "17").job() is None
