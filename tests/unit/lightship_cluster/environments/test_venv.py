from __future__ import annotations

from pathlib import Path

import pytest

from lightship_cluster.core.errors import LightshipError
from lightship_cluster.environments.interfaces import LAB
from lightship_cluster.environments.venv import Venv
from unit.lightship_cluster.fake_programs import NAME_TOO_LONG, installed_jupyter


def test_it_is_entered_as_its_activate_script_does(tmp_path: Path) -> None:
    entered = Venv(tmp_path).enter({"PATH": f"/usr/bin:{tmp_path}/bin", "PYTHONHOME": "/other", "LANG": "C"})

    assert entered == {"PATH": f"{tmp_path}/bin:/usr/bin", "VIRTUAL_ENV": str(tmp_path), "LANG": "C"}


def test_its_jupyter_is_looked_at(tmp_path: Path) -> None:
    installed_jupyter(tmp_path, "2.9.3", "jupyter-lab")

    assert f"{tmp_path}/bin/pip install --upgrade" in Venv(tmp_path).check(LAB, {})


def test_what_is_no_environment_is_refused(tmp_path: Path) -> None:
    hidden = tmp_path / NAME_TOO_LONG
    for folder, words in (
        (tmp_path / "absent", "does not exist"),
        (hidden, "does not exist"),
        (tmp_path, "has no 'bin' for you"),
    ):
        with pytest.raises(LightshipError, match=words):
            Venv(folder).check(LAB, {})
    (tmp_path / "file").touch()
    with pytest.raises(LightshipError, match="is not a folder"):
        Venv(tmp_path / "file").check(LAB, {})
    (tmp_path / "bin").mkdir()
    with pytest.raises(LightshipError, match=r"bin/pip install jupyterlab"):
        Venv(tmp_path).check(LAB, {})
