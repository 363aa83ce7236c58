"""From a user's options to the metadata in the link's folder, and from there to the same environment in the job."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lightship_cluster import environments
from lightship_cluster.core.errors import ExitStatus, LightshipError
from lightship_cluster.environments.base import Layers
from lightship_cluster.environments.binds import Bind
from lightship_cluster.environments.conda import Conda
from lightship_cluster.environments.container import Container
from lightship_cluster.environments.interfaces import LAB
from lightship_cluster.environments.modules import Modules
from lightship_cluster.environments.on_path import OnPath
from lightship_cluster.environments.venv import Venv
from unit.lightship_cluster.fake_programs import NAME_TOO_LONG, installed_jupyter


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "prefix" / "conda-meta").mkdir(parents=True)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({}, OnPath()),
        ({"venv": "~/own"}, Venv(Path("/home/me/own"))),
        ({"conda": "./prefix"}, Conda(Path("HERE/prefix"))),
        ({"modules": ("a", "b/1")}, Layers(Modules(("a", "b/1")), OnPath())),
        ({"modules": ("a",), "venv": "/v"}, Layers(Modules(("a",)), Venv(Path("/v")))),
        (
            {"image": "x.sif", "runtime": "apptainer", "binds": ("/d:/e:ro",), "gpu": True},
            Container("HERE/x.sif", "apptainer", (Bind("/d", "/e", read_only=True),), gpu=True),
        ),
    ],
)
def test_a_wish_arrives_in_the_job(
    asked: dict[str, Any], expected: environments.Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    metadata = environments.choose({}, **asked).metadata() if "image" not in asked else None
    if metadata is None:
        (tmp_path / "x.sif").touch()
        metadata = environments.choose({}, **asked).metadata()
    noted = json.loads(json.dumps({environments.FIELD: metadata}))

    assert repr(environments.from_metadata(noted)) == repr(expected).replace("HERE", str(tmp_path))


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"venv": "/v", "image": "x"}, "--venv and --image exclude each other"),
        ({"binds": ("/d",)}, "--bind belongs to a container"),
        ({"gpu": True}, "--gpu belongs to a container"),
        ({"runtime": "podman", "venv": "/v"}, "--runtime belongs to a container"),
    ],
)
def test_options_that_do_not_fit_together_are_refused(asked: dict[str, Any], words: str) -> None:
    with pytest.raises(LightshipError, match=words) as refused:
        environments.choose({}, **asked)

    assert refused.value.status is ExitStatus.USAGE


@pytest.mark.parametrize("folder", ["./absent", "~nobody-of-this-name/absent", f"./{NAME_TOO_LONG}"])
def test_a_conda_folder_that_is_not_there_is_refused(folder: str) -> None:
    with pytest.raises(LightshipError, match="There is no conda environment"):
        environments.choose({}, conda=folder)


def test_a_venv_of_a_user_that_is_none_is_refused() -> None:
    with pytest.raises(LightshipError, match="~nobody-of-this-name/own does not exist"):
        environments.choose({}, venv="~nobody-of-this-name/own").check(LAB, {})


def test_a_wrong_module_name_is_refused_before_a_conda_name_is_looked_for_in_it(tmp_path: Path) -> None:
    (tmp_path / ".bash_profile").write_text(f"touch {tmp_path}/loaded\n")
    with pytest.raises(LightshipError, match="'--force' is not the name of a module"):
        environments.choose({"HOME": str(tmp_path), "PATH": "/bin"}, modules=("--force",), conda="analysis")

    assert not (tmp_path / "loaded").exists()


@pytest.mark.parametrize("noted", [{"kind": "nix"}, {"kind": "venv"}, ["x"], {"modules": 3}])
def test_facts_of_another_version_are_refused(noted: object) -> None:
    with pytest.raises(LightshipError, match="does not know") as refused:
        environments.from_metadata({environments.FIELD: noted})

    assert refused.value.status is ExitStatus.LINK_FOLDER


def test_jupyter_is_looked_for_as_it_is_after_the_modules(tmp_path: Path) -> None:
    installed_jupyter(tmp_path / "m", "2.21.1", "jupyter-lab")
    (tmp_path / ".bash_profile").write_text(f'module() {{ export PATH="{tmp_path}/m/bin:$PATH"; }}\n')
    variables = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}

    assert environments.choose(variables, modules=("lab",)).check(LAB, variables) == ""
