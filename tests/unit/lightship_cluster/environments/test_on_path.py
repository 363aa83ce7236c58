from __future__ import annotations

from pathlib import Path

import pytest

from lightship_cluster.core.errors import LightshipError
from lightship_cluster.environments.interfaces import LAB
from lightship_cluster.environments.on_path import OnPath
from unit.lightship_cluster.fake_programs import installed_jupyter, program


def test_what_is_on_the_path_is_used(tmp_path: Path) -> None:
    installed_jupyter(tmp_path, "2.21.1", "jupyter-lab")

    assert OnPath().check(LAB, {"PATH": f"{tmp_path}/bin"}) == ""


def test_an_interface_in_another_folder_of_the_path_counts(tmp_path: Path) -> None:
    installed_jupyter(tmp_path / "one")
    program(tmp_path / "two" / "jupyter-lab", "")

    assert OnPath().check(LAB, {"PATH": f"{tmp_path}/one/bin:{tmp_path}/two"}) == ""


def test_without_jupyter_the_ways_to_it_are_named(tmp_path: Path) -> None:
    with pytest.raises(LightshipError, match=r"no 'jupyter' on your PATH.*--venv, --conda, --module or --image"):
        OnPath().check(LAB, {"PATH": str(tmp_path)})
    with pytest.raises(LightshipError, match="after module load python"):
        OnPath("module load python").check(LAB, {"PATH": str(tmp_path)})
