from __future__ import annotations

from pathlib import Path

import pytest

from lightship_cluster.errors import ExitStatus, LightshipError
from lightship_cluster.schedulers import find_scheduler
from lightship_cluster.schedulers.slurm import Slurm
from unit.lightship_cluster.world import program


def test_slurm_is_found_by_its_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path / "sbatch", "#!/bin/sh\n")
    program(tmp_path / "sinfo", "#!/bin/sh\n")
    monkeypatch.setenv("PATH", str(tmp_path))

    assert isinstance(find_scheduler(), Slurm)


def test_no_scheduler_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LightshipError, match="Log in to a login node") as refused:
        find_scheduler()

    assert refused.value.status is ExitStatus.SCHEDULER
