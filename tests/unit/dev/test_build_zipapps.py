from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import build_zipapps
import pytest


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    assert build_zipapps.main(["--dist", str(folder)]) == 0
    return folder


def test_the_same_sources_give_the_same_bytes(dist: Path, tmp_path: Path) -> None:
    build_zipapps.main(["--dist", str(tmp_path)])

    for app in build_zipapps.APPS:
        assert (dist / app.name).read_bytes() == (tmp_path / app.name).read_bytes()


@pytest.mark.parametrize("name", ["start-jupyter", "register-jupyter", "lightship-agent"])
def test_each_command_runs_by_itself(dist: Path, name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-I", "-S", dist / name, "--help"], capture_output=True, text=True, check=True
    )

    assert f"usage: {name}" in done.stdout
    assert os.access(dist / name, os.X_OK)
    assert (dist / name).read_bytes().startswith(b"#!/usr/bin/env python3\n")


def test_the_registry_takes_its_data_along_and_no_requirements(dist: Path) -> None:
    names = zipfile.ZipFile(dist / "lightship-registry.pyz").namelist()

    assert "lightship_registry/data/words.txt" in names
    assert "lightship_registry/templates/waiting.html" in names
    assert "lightship_registry/templates/page.js" in names
    assert "lightship_registry/requirements.txt" not in names
    assert not any("__pycache__" in name for name in names)


def test_the_administrators_command_starts_by_itself(dist: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-I", dist / "lightship.pyz", "--help"], capture_output=True, text=True, check=True
    )

    assert "Usage: lightship" in done.stdout


def test_an_old_python_is_told_so(dist: Path) -> None:
    with zipfile.ZipFile(dist / "start-jupyter") as archive:
        main = archive.read("__main__.py").decode()
    program = "import sys; sys.version_info = (3, 6, 8)\n" + main

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)

    what, hint = done.stderr.split(" Deactivate ")
    assert what == "start-jupyter needs Python 3.9 or newer; this is 3.6."
    assert "--venv" in hint


def test_an_unchanged_file_is_left_alone_and_one_can_be_chosen(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    build_zipapps.main(["--dist", str(tmp_path), "start-jupyter"])
    assert [path.name for path in tmp_path.iterdir()] == ["start-jupyter"]
    assert "built" in capsys.readouterr().out

    build_zipapps.main(["--dist", str(tmp_path), "start-jupyter"])
    assert capsys.readouterr().out == ""


def test_an_unknown_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SystemExit):
        build_zipapps.main(["--dist", str(tmp_path), "nonsense"])
