from __future__ import annotations

import os
from pathlib import Path

import pytest

from lightship_cluster import preflight
from lightship_cluster.errors import ExitStatus, LightshipError
from unit.lightship_cluster.world import program

LAB = 'exec "$2" "$1" -- jupyter lab\n'


@pytest.fixture
def batch(tmp_path: Path) -> Path:
    for app in ("notebook", "jupyterlab"):
        program(tmp_path / "batch" / "slurm" / f"{app}.sh", LAB)
    return tmp_path / "batch"


def jupyter(prefix: Path, version: str = "2.21.1", *apps: str) -> Path:
    """A stand-in laid out as pip does it."""
    for app in ("jupyter", *apps):
        program(prefix / "bin" / app, f"#!{prefix}/bin/python3\n")
    (prefix / "lib" / "python3.12" / "site-packages" / f"jupyter_server-{version}.dist-info").mkdir(parents=True)
    (prefix / "lib" / "python3.12" / "site-packages" / "jupyter_server_terminals-0.5.dist-info").mkdir()
    return prefix / "bin" / "jupyter"


@pytest.mark.parametrize("text", ["~", ".", "/tmp"])
def test_a_folder_is_found(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)

    assert preflight.find_folder(text) == (Path("/tmp") if text == "/tmp" else tmp_path)


def test_a_folder_behind_a_closed_door_is_refused_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(_path: Path) -> os.stat_result:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "stat", forbidden)  # the tests may run as root, whom no mode stops
    with pytest.raises(LightshipError, match="You may not read the folder /closed/x"):
        preflight.find_folder("/closed/x")


@pytest.mark.parametrize(
    ("text", "words"), [("absent", "does not exist"), ("file", "is not a folder"), ("~nobody-here/x", "does not exist")]
)
def test_a_wrong_folder_is_named(text: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(LightshipError, match=words) as refused:
        preflight.find_folder(text)

    assert refused.value.status is ExitStatus.FOLDER


def test_a_closed_folder_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)  # the tests may run as root, whom no mode stops
    with pytest.raises(LightshipError, match="may not read"):
        preflight.find_folder(str(tmp_path))


def test_scripts_are_found_by_name_and_by_path(batch: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    own = program(tmp_path / "mine.sh", LAB)

    assert preflight.find_batch_script(batch, "slurm/jupyterlab.sh") == batch / "slurm" / "jupyterlab.sh"
    assert preflight.find_batch_script(batch, "./mine.sh") == own
    assert preflight.find_batch_script(batch, "mine.sh") == own
    assert preflight.find_batch_script(batch, str(own)) == own


def test_an_unknown_script_is_refused_with_the_known_ones(batch: Path) -> None:
    with pytest.raises(LightshipError, match=r"slurm/jupyterlab\.sh, slurm/notebook\.sh") as refused:
        preflight.find_batch_script(batch, "torque/jupyterlab.sh")

    assert refused.value.status is ExitStatus.BATCH_SCRIPT


def test_a_current_jupyter_passes(batch: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    jupyter(tmp_path, "2.21.1", "jupyter-lab")
    monkeypatch.setenv("PATH", f"{tmp_path}/bin")

    assert preflight.check_jupyter(batch / "slurm" / "jupyterlab.sh") == ""


def test_a_jupyter_with_known_holes_gets_a_warning(
    batch: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jupyter(tmp_path, "2.9.3", "jupyter-lab")
    monkeypatch.setenv("PATH", f"{tmp_path}/bin")

    assert "jupyter_server 2.9.3 has known security holes" in preflight.check_jupyter(batch / "slurm" / "notebook.sh")


def test_an_absent_jupyter_or_interface_is_named(batch: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path}/bin")
    with pytest.raises(LightshipError, match="no 'jupyter' on your PATH"):
        preflight.check_jupyter(batch / "slurm" / "jupyterlab.sh")
    jupyter(tmp_path, "2.21.1", "jupyter-notebook")
    with pytest.raises(LightshipError, match="has no JupyterLab") as refused:
        preflight.check_jupyter(batch / "slurm" / "jupyterlab.sh")

    assert refused.value.status is ExitStatus.JUPYTER


def test_a_script_of_another_form_finds_its_own_jupyter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    jupyter(tmp_path)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin")

    assert preflight.check_jupyter(program(tmp_path / "own.sh", "exec apptainer run x\n")) == ""


def test_the_version_is_found_through_symbolic_links_and_may_be_unknown(tmp_path: Path) -> None:
    (tmp_path / "jupyter").symlink_to(jupyter(tmp_path / "venv", "2.20.0"))

    assert preflight.server_version(tmp_path / "jupyter") == (2, 20, 0)
    assert preflight.server_version(program(tmp_path / "strange" / "bin" / "jupyter", "")) is None
    assert preflight.server_version(tmp_path / "absent") is None
