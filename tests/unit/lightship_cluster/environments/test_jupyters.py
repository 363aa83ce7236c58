from __future__ import annotations

from pathlib import Path

import pytest

from lightship_cluster.environments import jupyters
from lightship_cluster.environments.interfaces import LAB
from lightship_cluster.errors import ExitStatus, LightshipError
from unit.lightship_cluster.world import installed_jupyter, program


def test_a_current_jupyter_passes(tmp_path: Path) -> None:
    installed_jupyter(tmp_path, "2.21.1", "jupyter-lab")

    assert jupyters.check_folder(tmp_path, LAB, "pip install") == ""


def test_a_jupyter_with_known_holes_gets_a_warning(tmp_path: Path) -> None:
    installed_jupyter(tmp_path, "2.9.3", "jupyter-lab")
    warning = jupyters.check_folder(tmp_path, LAB, "pip install")

    assert "jupyter_server 2.9.3 has known security holes" in warning
    assert "pip install --upgrade 'jupyter_server>=2.20.0'" in warning


def test_an_absent_jupyter_or_interface_is_named_with_what_to_type(tmp_path: Path) -> None:
    with pytest.raises(LightshipError, match=r"no Jupyter in .*: conda install jupyterlab"):
        jupyters.check_folder(tmp_path, LAB, "conda install")
    installed_jupyter(tmp_path, "2.21.1", "jupyter-notebook")
    with pytest.raises(LightshipError, match=r"has no JupyterLab .*pip install jupyterlab") as refused:
        jupyters.check_folder(tmp_path, LAB, "pip install")

    assert refused.value.status is ExitStatus.JUPYTER


def test_a_script_of_another_form_chooses_its_own_interface(tmp_path: Path) -> None:
    installed_jupyter(tmp_path)

    assert jupyters.check_folder(tmp_path, None, "pip install") == ""


def test_the_version_is_found_through_symbolic_links_and_may_be_unknown(tmp_path: Path) -> None:
    (tmp_path / "jupyter").symlink_to(installed_jupyter(tmp_path / "venv", "2.20.0"))

    assert jupyters.server_version(tmp_path / "jupyter") == (2, 20, 0)
    assert jupyters.server_version(program(tmp_path / "strange" / "bin" / "jupyter", "")) is None
    assert jupyters.server_version(tmp_path / "absent") is None
