from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import write_batch_scripts

from lightship_cluster.config.options import APP, INTERFACES
from lightship_cluster.schedulers.own_options import SBATCH, directives, value_of


@pytest.fixture(scope="module")
def batch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    assert write_batch_scripts.main(["--dist", str(folder)]) == 0
    return folder / "batch"


def test_there_is_one_for_each_scheduler_and_interface(batch: Path) -> None:
    there = {str(path.relative_to(batch)) for path in batch.rglob("*.sh")}
    files = {*INTERFACES.values(), APP}
    assert there == {f"{scheduler}/{file}" for scheduler in ("slurm", "pbs", "torque", "none") for file in files}


def test_each_is_a_program_that_bash_can_read(batch: Path) -> None:
    for script in batch.rglob("*.sh"):
        assert script.stat().st_mode & 0o777 == 0o755
        assert "%" not in script.read_text()
        subprocess.run(["bash", "-n", script], check=True, timeout=60)


def test_every_script_for_slurm_asks_for_the_warning_and_lives_through_it(batch: Path) -> None:
    for script in (batch / "slurm").glob("*.sh"):
        assert value_of(directives(script, SBATCH.mark), ("--signal",)) == "B:USR1@300"
        assert "\ntrap '' USR1\n" in script.read_text()
