from __future__ import annotations

from pathlib import Path

import pytest

import lightship_cluster
from lightship_cluster.schedulers.own_options import SBATCH, directives, value_of

SLURM = Path(lightship_cluster.__file__).parent / "batch" / "slurm"


@pytest.mark.parametrize("script", sorted(SLURM.glob("*.sh")), ids=lambda script: script.stem)
def test_every_script_for_slurm_asks_for_the_warning_and_lives_through_it(script: Path) -> None:
    assert value_of(directives(script, SBATCH.mark), ("--signal",)) == "B:USR1@300"
    assert "\ntrap '' USR1\n" in script.read_text()
