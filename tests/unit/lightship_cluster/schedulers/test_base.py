from __future__ import annotations

import os
from pathlib import Path

import pytest

from lightship_cluster.core.errors import ExitStatus, LightshipError
from lightship_cluster.schedulers import base
from unit.lightship_cluster.fake_programs import program


def test_questions_are_asked_in_plain_english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SQUEUE_FORMAT", "%i")
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    shown = base.ask(["/usr/bin/env"], {"EXTRA": "1"}).stdout.splitlines()

    assert {"LC_ALL=C", "EXTRA=1"} <= set(shown)
    assert not any(line.startswith("SQUEUE_") for line in shown)


def test_a_missing_command_is_named() -> None:
    with pytest.raises(LightshipError, match="no-such-command") as refused:
        base.ask(["no-such-command"])

    assert refused.value.status is ExitStatus.SCHEDULER


def test_a_command_that_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "TIMEOUT_SECONDS", 0.2)
    hanging = program(tmp_path / "sinfo", "#!/bin/sh\nexec sleep 20\n")

    with pytest.raises(LightshipError, match="try again later"):
        base.run([str(hanging)], os.environ)
