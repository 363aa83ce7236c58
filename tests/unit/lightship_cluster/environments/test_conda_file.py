"""Building from an `environment.yml`, with a fake micromamba."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lightship_cluster.core.errors import LightshipError
from lightship_cluster.environments import conda_file
from lightship_cluster.environments.conda_file import CondaFile
from lightship_cluster.environments.interfaces import LAB
from unit.lightship_cluster.fake_programs import program

FILE = "name: analysis\ndependencies:\n  - python=3.12\n  - conda-forge::jupyterlab=4\n"
# Makes what `micromamba create --yes --prefix X --file Y` would make, and counts how often it is asked to.
BUILDER = """#!/bin/sh
echo "$@" >>COUNTED
[ -e SLOW ] && while [ -e SLOW ]; do sleep 0.05; done
while [ "$1" != --prefix ]; do shift; done
mkdir -p "$2/bin" "$2/conda-meta"
echo "Linking jupyterlab"
for name in jupyter jupyter-lab; do echo '#!/bin/sh' >"$2/bin/$name"; chmod +x "$2/bin/$name"; done
[ ! -e FAIL ] || { echo "nothing provides jupyterlab 4"; exit 1; }
"""
START = """
import sys; from pathlib import Path
from lightship_cluster.environments.conda_file import CondaFile
import os
wanted = CondaFile.read(Path(sys.argv[1]), Path(sys.argv[2]))
print(wanted.prepare(None, os.environ, lambda words: print(words, flush=True)) or "done")
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    text = BUILDER
    for name in ("COUNTED", "SLOW", "FAIL"):
        text = text.replace(name, str(tmp_path / name.lower()))
    program(tmp_path / "bin" / "micromamba", text)
    (tmp_path / "environment.yml").write_text(FILE)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    yield tmp_path
    (tmp_path / "slow").unlink(missing_ok=True)


def wanted(folder: Path) -> CondaFile:
    return CondaFile.read(folder / "environment.yml", folder / "cache")


def start(folder: Path) -> subprocess.Popen[str]:
    scripts = Path(conda_file.__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": str(scripts)}
    command = [sys.executable, "-c", START, str(folder / "environment.yml"), str(folder / "cache")]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


def counted(folder: Path) -> int:
    return len((folder / "counted").read_text().splitlines()) if (folder / "counted").exists() else 0


def wait_for_builder(folder: Path) -> None:
    deadline = time.monotonic() + 20
    while not counted(folder):
        assert time.monotonic() < deadline, "nobody builds"
        time.sleep(0.02)


def test_it_is_built_once_and_again_when_the_file_changes(folder: Path) -> None:
    shown: list[str] = []
    assert not wanted(folder).ready
    assert wanted(folder).check(LAB, os.environ) == ""
    assert wanted(folder).prepare(LAB, os.environ, shown.append) == ""
    assert shown == ["Building environment.yml (once): Linking jupyterlab"]
    assert wanted(folder).ready
    assert wanted(folder).metadata() == {"kind": "conda", "path": str(wanted(folder).folder)}
    assert wanted(folder).enter({"PATH": ""})["CONDA_PREFIX"] == str(wanted(folder).folder)

    (folder / "environment.yml").write_text(FILE + "  - numpy\n")
    assert not wanted(folder).ready
    assert counted(folder) == 1


def test_starts_at_the_same_time_build_it_once(folder: Path) -> None:
    (folder / "slow").touch()
    with start(folder) as first:
        wait_for_builder(folder)
        with start(folder) as second:
            assert second.stdout
            assert second.stdout.readline() == "Another start of yours is building environment.yml\n"
            (folder / "slow").unlink()
            printed = [second.communicate(timeout=20)[0], first.communicate(timeout=20)[0]]

    assert all(text.endswith("done\n") for text in printed)
    assert counted(folder) == 1


def test_a_build_that_was_killed_is_done_anew(folder: Path) -> None:
    (folder / "slow").touch()
    with start(folder) as first:
        wait_for_builder(folder)
        first.send_signal(signal.SIGKILL)
    (folder / "slow").unlink()
    (wanted(folder).folder / "half").mkdir(parents=True, exist_ok=True)

    assert wanted(folder).prepare(LAB, os.environ, lambda _words: None) == ""
    assert not (wanted(folder).folder / "half").exists()


def test_a_failure_shows_the_builders_last_lines_and_leaves_no_folder(folder: Path) -> None:
    (folder / "fail").touch()
    with pytest.raises(LightshipError, match=r"micromamba could not build .*\n.*\n    nothing provides jupyterlab 4"):
        wanted(folder).prepare(LAB, os.environ, lambda _words: None)

    assert not wanted(folder).folder.exists()
    assert not wanted(folder).ready


@pytest.mark.parametrize("name", ["micromamba", "mamba", "conda"])
def test_each_program_is_asked_in_its_own_words(folder: Path, name: str) -> None:
    (folder / "bin" / "micromamba").rename(folder / "bin" / name)
    wanted(folder).prepare(LAB, os.environ, lambda _words: None)

    assert (
        (folder / "counted")
        .read_text()
        .startswith("create --prefix" if name == "micromamba" else "env create --prefix")
    )


def test_what_cannot_be_built_is_refused_before_anything_is_made(folder: Path) -> None:
    with pytest.raises(LightshipError, match="one of mamba, micromamba, conda is needed"):
        wanted(folder).check(LAB, {"PATH": "/usr/bin"})
    with pytest.raises(LightshipError, match="one of mamba, micromamba, conda is needed"):
        wanted(folder).check(LAB, {"PATH": "/usr/bin", "CONDA_EXE": f"{folder}/removed/conda"})
    (folder / "environment.yml").write_text("dependencies:\n  - numpy\n")
    with pytest.raises(LightshipError, match="lists no Jupyter"):
        wanted(folder).check(LAB, os.environ)
    with pytest.raises(LightshipError, match=r"Cannot read .*absent\.yml"):
        CondaFile.read(folder / "absent.yml", folder)
    (folder / "cache").touch()
    with pytest.raises(LightshipError, match="Cannot write in"):
        wanted(folder).prepare(LAB, os.environ, lambda _words: None)


def test_a_builder_that_cannot_be_run_is_named(folder: Path) -> None:
    program(folder / "bin" / "micromamba", "#!/no/such/shell\n")
    with pytest.raises(LightshipError, match=r"Cannot run .*/bin/micromamba to build .*environment\.yml: No such file"):
        wanted(folder).prepare(LAB, os.environ, lambda _words: None)


def test_a_full_disk_is_told_in_words(folder: Path) -> None:
    (folder / "cache").mkdir(mode=0o700)
    # Stands for every failure to write: root may write in any folder.
    wanted(folder).folder.with_suffix(".yml").mkdir()
    with pytest.raises(LightshipError, match=r"Cannot write in .*cache: .*Free space"):
        wanted(folder).prepare(LAB, os.environ, lambda _words: None)


def test_nothing_is_built_where_others_could_exchange_it(folder: Path) -> None:
    cache = wanted(folder).cache
    cache.mkdir(mode=0o700)
    for shared in (cache, cache.parent):
        shared.chmod(0o777)
        with pytest.raises(LightshipError, match=rf"{shared}, .* others may write in it\. Set XDG_CACHE_HOME to"):
            wanted(folder).prepare(LAB, os.environ, print)
        shared.chmod(0o700)
    assert not list(cache.iterdir())


def test_somebody_without_a_home_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody() -> Path:
        raise RuntimeError

    monkeypatch.setattr(conda_file, "home", nobody)
    with pytest.raises(LightshipError, match="Set HOME"):
        conda_file.default_cache({})
