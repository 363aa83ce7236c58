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
    first = (dist / name).read_bytes().partition(b"\n")[0]
    assert first.endswith(b" /usr/bin/python3 -IS")
    # Older kernels, such as that of Enterprise Linux 8, read no more of it.
    assert len(first) <= 127


def test_the_registry_takes_its_data_along_and_no_requirements(dist: Path) -> None:
    names = zipfile.ZipFile(dist / "lightship-registry.pyz").namelist()

    assert "lightship_registry/links/words.txt" in names
    assert "lightship_registry/pages/templates/waiting.html" in names
    assert "lightship_registry/pages/templates/page.js" in names
    assert "lightship_registry/requirements.txt" not in names
    assert not any("__pycache__" in name for name in names)


def test_the_administrators_command_starts_by_itself(dist: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-I", dist / "lightship.pyz", "--help"], capture_output=True, text=True, check=True
    )

    assert "Usage: lightship" in done.stdout


def old_python(dist: Path, beside: str, **variables: str) -> str:
    """What start-jupyter says on an old Python; `beside` stands for the host's other Pythons."""
    with zipfile.ZipFile(dist / "start-jupyter") as archive:
        main = archive.read("__main__.py").decode().replace("/usr/bin", beside)
    program = f"import sys; sys.version_info = (3, 6, 8); sys.argv = [{str(dist / 'start-jupyter')!r}, '--version']\n"
    whole = [sys.executable, "-IS", "-c", program + main]
    done = subprocess.run(whole, env=variables, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def test_an_old_python_is_told_so(dist: Path) -> None:
    said = old_python(dist, "/none", PATH="/none")

    assert said.startswith("start-jupyter needs Python 3.9 or newer; this is 3.6. Activate an environment with a newer")


def test_a_newer_python_of_the_host_or_else_of_the_user_is_taken_instead(dist: Path, tmp_path: Path) -> None:
    for folder, name in (("host", "python3.12"), ("user", "python3")):
        script = tmp_path / folder / name
        script.parent.mkdir()
        script.write_text(f'#!/bin/sh\necho "{folder} $LD_LIBRARY_PATH"\nexec {sys.executable} "$@"\n')
        script.chmod(0o755)
    # As the first line of the command leaves them.
    variables = {"PATH": f"{tmp_path}/user", "LIGHTSHIP_LD": "\n/libraries"}

    assert old_python(dist, f"{tmp_path}/host", **variables) == "host \nstart-jupyter 0.1.0\n"
    assert old_python(dist, "/none", **variables) == "user /libraries\nstart-jupyter 0.1.0\n"


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
