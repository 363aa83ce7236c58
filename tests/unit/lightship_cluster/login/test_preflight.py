from __future__ import annotations

import os
from pathlib import Path

import pytest

from lightship_cluster.core.errors import ExitStatus, LightshipError
from lightship_cluster.login import preflight
from unit.lightship_cluster.fake_programs import program

LAB = 'exec "$2" "$1" -- jupyter lab\n'


@pytest.fixture
def batch(tmp_path: Path) -> Path:
    for app in ("notebook", "jupyterlab"):
        program(tmp_path / "batch" / "slurm" / f"{app}.sh", LAB)
    return tmp_path / "batch"


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
