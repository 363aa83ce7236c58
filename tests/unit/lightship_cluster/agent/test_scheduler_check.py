from __future__ import annotations

import pytest

from lightship_cluster.agent import scheduler_check
from lightship_cluster.agent.scheduler_check import SchedulerCheck
from lightship_cluster.core.errors import LightshipError
from lightship_cluster.schedulers.base import Scheduler
from lightship_cluster.schedulers.every import Every
from lightship_cluster.schedulers.slurm import Slurm
from unit.lightship_cluster.schedulers.conftest import Command

pytest_plugins = ["unit.lightship_cluster.schedulers.conftest"]


class Asked(Slurm):
    """Counts how often it is asked."""

    def __init__(self, *said: str) -> None:
        self.said = list(said)
        self.count = 0

    def fault(self) -> str:
        self.count += 1
        if not self.said:
            raise ZeroDivisionError
        return self.said.pop(0)


def test_whoever_asks_the_scheduler_is_asked_seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    scheduler = Asked("qstat failed", "")
    check = SchedulerCheck(scheduler)
    assert [check.fault() for _ in range(100)] == ["qstat failed"] * 100
    assert scheduler.count == 1
    monkeypatch.setattr(check, "_until", 0.0)
    assert check.fault() == ""


def test_the_journal_tells_a_cause_once_and_its_end(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(scheduler_check, "FRESH_SECONDS", 0.0)
    check = SchedulerCheck(Asked("", "pbs_iff", "pbs_iff", ""))
    for _ in range(4):
        check.fault()
    assert capsys.readouterr().out.splitlines() == [
        "The scheduler cannot be asked how jobs are: pbs_iff",
        "The scheduler can be asked how jobs are again.",
    ]


def test_a_surprise_is_a_fault_in_one_sentence_and_the_journal_tells_where_it_came_from(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(scheduler_check, "FRESH_SECONDS", 0.0)
    check = SchedulerCheck(Asked())
    faults = {check.fault() for _ in range(3)}
    assert faults == {
        "What the scheduler answered cannot be read (ZeroDivisionError). "
        "Tell your administrators; on this host: journalctl -u lightship-agent"
    }
    assert capsys.readouterr().err.count("Traceback") == 1


def test_a_scheduler_that_is_not_found_is_a_fault() -> None:
    def missing() -> Scheduler:
        raise LightshipError("Not on PATH: qsub.")

    assert SchedulerCheck(Every(missing)).fault() == "Not on PATH: qsub."


def test_slurm_is_asked_what_it_is_asked_anyway(command: Command) -> None:
    command("squeue", error="slurm_load_jobs error: Invalid job id specified\n", status=1)
    assert Every(Slurm).fault() == ""
    command("squeue", error="slurm_load_jobs error: Unable to contact slurm controller (connect failure)\n", status=1)
    assert "Unable to contact slurm controller" in Every(Slurm).fault()
