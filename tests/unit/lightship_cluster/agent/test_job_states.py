from __future__ import annotations

import threading
import time
from collections.abc import Iterable

import pytest

from lightship_cluster.agent import job_states
from lightship_cluster.agent.job_states import JobStates
from lightship_cluster.core.errors import LightshipError
from lightship_cluster.schedulers.base import JobState
from lightship_cluster.schedulers.slurm import Slurm


class Counting(Slurm):
    def __init__(self) -> None:
        self.polls: list[list[str]] = []
        self.fails = False

    def job_states(self, job_ids: Iterable[str]) -> dict[str, JobState]:
        self.polls.append(sorted(job_ids))
        if self.fails:
            raise LightshipError("squeue failed")
        return {job_id: JobState("RUNNING") for job_id in self.polls[-1]}


def wait_for(states: JobStates, job_id: str) -> JobState | None:
    deadline = time.monotonic() + 5
    while states.get(job_id) is None and time.monotonic() < deadline:
        time.sleep(0.01)
    return states.get(job_id)


def test_nothing_is_asked_until_someone_asks_and_then_once_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_states, "ASKED_SECONDS", 0.3)
    scheduler = Counting()
    states = JobStates(scheduler, 0.1)
    threading.Thread(target=states.run, daemon=True).start()
    time.sleep(0.25)
    assert not scheduler.polls

    for job_id in ("1", "2", "3"):
        states.get(job_id)
    assert wait_for(states, "3") == JobState("RUNNING")
    assert scheduler.polls[-1] == ["1", "2", "3"]
    assert len(scheduler.polls) <= 3

    time.sleep(0.8)
    count = len(scheduler.polls)
    time.sleep(0.4)
    assert len(scheduler.polls) == count
    assert states.get("1") is None


def test_old_knowledge_is_not_passed_off_as_new(capsys: pytest.CaptureFixture[str]) -> None:
    scheduler = Counting()
    states = JobStates(scheduler, 1)
    states.poll(["1"])
    assert states.get("1")

    scheduler.fails = True
    states.poll(["1"])
    assert states.get("1") is None
    assert "squeue failed" in capsys.readouterr().out


def test_a_scheduler_that_does_not_answer_is_told_of_once(capsys: pytest.CaptureFixture[str]) -> None:
    scheduler = Counting()
    states = JobStates(scheduler, 1)
    for scheduler.fails in (True, True, True, False, False):
        states.poll(["1"])

    assert capsys.readouterr().out == "Cannot ask for job states: squeue failed\nJob states are known again.\n"


def test_a_surprise_is_survived_and_nothing_old_is_believed(capsys: pytest.CaptureFixture[str]) -> None:
    class Surprising(Counting):
        def job_states(self, job_ids: Iterable[str]) -> dict[str, JobState]:
            if self.fails:
                raise ZeroDivisionError
            return super().job_states(job_ids)

    scheduler = Surprising()
    states = JobStates(scheduler, 1)
    states.poll(["1"])
    scheduler.fails = True
    states.poll(["1"])

    assert states.get("1") is None
    assert "ZeroDivisionError" in capsys.readouterr().out


def test_the_list_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_states, "MOST_JOBS", 2)
    states = JobStates(Counting(), 1)
    for number in range(10):
        states.get(str(number))

    assert len(states._asked) == 2
