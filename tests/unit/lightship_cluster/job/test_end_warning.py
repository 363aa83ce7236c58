from __future__ import annotations

import os
import time

import pytest

from lightship_cluster.job import end_warning
from lightship_cluster.job.end_warning import EndWarning


@pytest.fixture
def terminals(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, str]]:
    written: list[tuple[int, str]] = []
    monkeypatch.setattr(end_warning, "write_to_terminals", lambda process, text: written.append((process, text)))
    monkeypatch.delenv("SLURM_JOB_END_TIME", raising=False)
    return written


def expecting(seconds: float) -> EndWarning:
    warning = EndWarning()
    warning.expect(time.time() + seconds)
    return warning


def test_five_minutes_before_the_end_is_time_to_warn(terminals: list[tuple[int, str]]) -> None:
    warning = expecting(3600)
    warning.look(17)

    assert terminals == []
    assert 3290 < warning.pause() <= 3300


def test_of_a_short_life_the_second_half_is_warned_of(terminals: list[tuple[int, str]]) -> None:
    assert 50 < expecting(120).pause() <= 60
    assert terminals == []


def test_the_job_may_end_before_its_link(terminals: list[tuple[int, str]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_JOB_END_TIME", str(int(time.time()) + 1200))

    assert expecting(3600).pause() <= 900
    assert terminals == []


def test_a_signal_of_the_scheduler_warns_at_once_and_once(
    terminals: list[tuple[int, str]], capsys: pytest.CaptureFixture[str]
) -> None:
    warning = expecting(3600)
    warning.signalled()
    assert warning.pause() == 0
    warning.look(os.getpid())
    warning.look(os.getpid())

    clock = time.strftime("%H:%M", time.localtime(time.time() + 300))
    said = capsys.readouterr().out
    assert said.startswith("This notebook ends in 5 min, at ")
    # The minute may change meanwhile.
    assert clock in said or time.strftime("%H:%M", time.localtime(time.time() + 299)) in said
    assert terminals == [(os.getpid(), f"Lightship: {said.rstrip()}")]
    assert warning.pause() == float("inf")
