from __future__ import annotations

from pathlib import Path

import pytest

from lightship_cluster.core.errors import ExitStatus, LightshipError
from lightship_cluster.environments import jupyters
from lightship_cluster.environments.interfaces import CLASSIC, LAB, NOTEBOOK
from unit.lightship_cluster.fake_programs import installed_jupyter, program


def test_a_current_jupyter_passes(tmp_path: Path) -> None:
    installed_jupyter(tmp_path, "2.21.1", "jupyter-lab")

    assert jupyters.check_folder(tmp_path, LAB, {}, "pip install") == ""


def test_a_jupyter_with_known_holes_gets_a_warning(tmp_path: Path) -> None:
    installed_jupyter(tmp_path, "2.9.3", "jupyter-lab")
    warning = jupyters.check_folder(tmp_path, LAB, {}, "pip install")

    assert "jupyter_server 2.9.3 has known security holes" in warning
    assert "pip install --upgrade 'jupyter_server>=2.20.0'" in warning


def test_an_interface_from_before_jupyter_server_is_refused_before_a_job_waits_for_it(tmp_path: Path) -> None:
    packages = tmp_path / "lib" / "python3.12" / "site-packages"
    installed_jupyter(tmp_path, "2.21.1", "jupyter-lab", "jupyter-notebook", "jupyter-nbclassic")
    for name in (
        "notebook-6.5.7",
        "notebook_shim-0.2.4",
        "jupyterlab-4.6.0",
        "jupyterlab_server-2.1",
        "nbclassic-1.3.0",
    ):
        (packages / f"{name}.dist-info").mkdir()

    with pytest.raises(
        LightshipError, match=r"notebook 6\.5\.7 is too old .*pip install --upgrade 'notebook>=7'\), or"
    ):
        jupyters.check_folder(tmp_path, NOTEBOOK, {}, "pip install")
    assert jupyters.check_folder(tmp_path, LAB, {}, "pip install") == ""
    assert jupyters.check_folder(tmp_path, CLASSIC, {}, "pip install") == ""
    (packages / "notebook-7.5.dist-info").mkdir()
    assert jupyters.check_folder(tmp_path, NOTEBOOK, {}, "pip install") == ""


def test_an_absent_jupyter_or_interface_is_named_with_what_to_type(tmp_path: Path) -> None:
    with pytest.raises(LightshipError, match=r"no Jupyter in .*: conda install jupyterlab"):
        jupyters.check_folder(tmp_path, LAB, {}, "conda install")
    installed_jupyter(tmp_path, "2.21.1", "jupyter-notebook")
    with pytest.raises(LightshipError, match=r"has no JupyterLab .*pip install jupyterlab") as refused:
        jupyters.check_folder(tmp_path, LAB, {}, "pip install")

    assert refused.value.status is ExitStatus.JUPYTER


def test_a_script_of_another_form_chooses_its_own_interface(tmp_path: Path) -> None:
    installed_jupyter(tmp_path)

    assert jupyters.check_folder(tmp_path, None, {}, "pip install") == ""


def test_the_version_is_found_through_symbolic_links_and_may_be_unknown(tmp_path: Path) -> None:
    (tmp_path / "jupyter").symlink_to(installed_jupyter(tmp_path / "venv", "2.20.0"))

    assert jupyters.version_of(tmp_path / "jupyter", jupyters.SERVER) == (2, 20, 0)
    assert jupyters.version_of(program(tmp_path / "strange" / "bin" / "jupyter", ""), jupyters.SERVER) is None
    assert jupyters.version_of(tmp_path / "absent", jupyters.SERVER) is None


@pytest.mark.parametrize("first", ["#!/bin/sh", "#!/usr/bin/env python3", "#!{system}/bin/python3"])
def test_the_systems_jupyter_is_not_judged_instead_of_the_one_that_is_used(tmp_path: Path, first: str) -> None:
    installed_jupyter(tmp_path / "system", "2.1.0")
    jupyter = installed_jupyter(tmp_path / "own", "2.21.1")
    program(jupyter, first.format(system=tmp_path / "system") + "\n")

    assert jupyters.version_of(jupyter, jupyters.SERVER) == (2, 21, 1)


def test_a_jupyter_with_nothing_beside_it_is_its_interpreters(tmp_path: Path) -> None:
    installed_jupyter(tmp_path / "env", "2.21.1")
    script = program(tmp_path / "scripts" / "bin" / "jupyter", f"#!{tmp_path}/env/bin/python3.12 -s\n")
    assert jupyters.version_of(script, jupyters.SERVER) == (2, 21, 1)
    # Its own folder says nothing of where packages are.
    program(script, f"#!{tmp_path}/env/bin/env python3\n")
    assert jupyters.version_of(script, jupyters.SERVER) is None


def test_what_an_update_left_behind_is_not_judged(tmp_path: Path) -> None:
    jupyter = installed_jupyter(tmp_path, "2.9.3")
    installed_jupyter(tmp_path, "2.21.1")
    installed_jupyter(tmp_path, "2.10.0")

    assert jupyters.version_of(jupyter, jupyters.SERVER) == (2, 21, 1)
