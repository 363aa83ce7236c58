"""Folders laid out as conda documents them; a fake conda is asked, and no real one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lightship_cluster.core.errors import LightshipError
from lightship_cluster.environments.conda import Conda, find_environment
from lightship_cluster.environments.interfaces import LAB
from unit.lightship_cluster.fake_programs import NAME_TOO_LONG, installed_jupyter, program


def made(folder: Path) -> Path:
    (folder / "conda-meta").mkdir(parents=True)
    return folder


def test_a_name_is_found_wherever_conda_keeps_environments(tmp_path: Path) -> None:
    home = {"HOME": str(tmp_path / "home"), "PATH": ""}
    usual = made(tmp_path / "home" / "miniforge3" / "envs" / "usual")
    base = made(tmp_path / "home" / "miniforge3")
    named = made(tmp_path / "elsewhere" / "named")
    listed = made(tmp_path / "project" / "listed")
    beside = made(tmp_path / "conda" / "envs" / "beside")
    (tmp_path / "home" / ".conda").mkdir()
    (tmp_path / "home" / ".conda" / "environments.txt").write_text(
        f"{tmp_path}/gone\n{tmp_path}/{NAME_TOO_LONG}\n{listed}\n"
    )
    program(tmp_path / "conda" / "bin" / "conda", "#!/bin/sh\nexit 1\n")
    hidden = {"MAMBA_ROOT_PREFIX": f"{tmp_path}/{NAME_TOO_LONG}", "MAMBA_EXE": f"{tmp_path}/gone/mamba"}
    told = {
        **home,
        **hidden,
        "CONDA_ENVS_PATH": str(named.parent),
        "CONDA_EXE": str(tmp_path / "conda" / "bin" / "conda"),
    }

    for name, folder in (("usual", usual), ("base", base), ("named", named), ("listed", listed), ("beside", beside)):
        assert find_environment(name, told) == folder


def test_what_only_conda_knows_is_asked(tmp_path: Path) -> None:
    folder = made(tmp_path / "by-settings" / "analysis")
    answer = json.dumps({"envs": [str(folder)]})
    program(tmp_path / "bin" / "conda", f"#!/bin/sh\ntest \"$*\" = 'env list --json' && echo '{answer}'\n")

    assert find_environment("analysis", {"HOME": str(tmp_path), "PATH": f"{tmp_path}/bin"}) == folder


def test_an_unknown_name_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    made(tmp_path / ".conda" / "envs" / "analysis")
    program(tmp_path / "bin" / "mamba", "#!/bin/sh\nexit 1\n")
    with pytest.raises(LightshipError, match=r"no conda environment 'anlysis'\. You have: analysis"):
        find_environment("anlysis", {"HOME": str(tmp_path), "PATH": f"{tmp_path}/bin"})


def test_it_is_activated_with_its_variables_and_its_packages_scripts(tmp_path: Path) -> None:
    folder = made(tmp_path / "envs" / "analysis")
    (folder / "conda-meta" / "state").write_text(json.dumps({"env_vars": {"OWN": "1"}}))
    for name in ("env_vars.d", "activate.d"):
        (folder / "etc" / "conda" / name).mkdir(parents=True)
    (folder / "etc" / "conda" / "env_vars.d" / "package.json").write_text(json.dumps({"PACKAGE": "2", "ODD": 3}))
    program(folder / "etc" / "conda" / "activate.d" / "gdal.sh", 'export GDAL_DATA="$CONDA_PREFIX/share"\n')
    entered = Conda(folder).enter({"PATH": "/usr/bin", "CONDA_SHLVL": "1"})

    assert entered["PATH"] == f"{folder}/bin:/usr/bin"
    assert entered["GDAL_DATA"] == f"{folder}/share"
    assert (entered["OWN"], entered["PACKAGE"], entered.get("ODD")) == ("1", "2", None)
    assert (entered["CONDA_PREFIX"], entered["CONDA_DEFAULT_ENV"]) == (str(folder), "analysis")
    assert entered["CONDA_SHLVL"] == "2"


def test_an_environment_without_scripts_needs_no_shell(tmp_path: Path) -> None:
    entered = Conda(made(tmp_path / "here")).enter({"PATH": ""})

    assert entered["CONDA_DEFAULT_ENV"] == str(tmp_path / "here")


def test_its_jupyter_is_looked_at_and_other_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(LightshipError, match="no folder 'conda-meta'"):
        Conda(tmp_path).check(LAB, {})
    made(tmp_path)
    with pytest.raises(LightshipError, match=f"conda install --prefix {tmp_path} jupyterlab"):
        Conda(tmp_path).check(LAB, {})
    installed_jupyter(tmp_path, "2.21.1", "jupyter-lab")

    assert Conda(tmp_path).check(LAB, {}) == ""


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("echo broken package >&2; exit 1\n", r"status 1 \(broken package\)"),
        ("exit 0\n", r"status 0\. Remove the line"),
        ("set -u; PATH=$NONE_SUCH:$PATH\n", "NONE_SUCH: unbound variable"),
        ("exec /bin/true\n", r"status 0\. Remove the line"),
    ],
)
def test_a_script_that_ends_the_shell_is_named_before_a_job_is_made(tmp_path: Path, script: str, why: str) -> None:
    program(made(tmp_path) / "etc" / "conda" / "activate.d" / "bad.sh", script)
    installed_jupyter(tmp_path, "2.21.1", "jupyter-lab")
    # As of a shell that has variables of its own.
    users = {"PATH": "/usr/bin", "PWD": "/", "SHLVL": "1"}
    for refuse in (Conda(tmp_path).enter, lambda variables: Conda(tmp_path).check(LAB, variables)):
        with pytest.raises(LightshipError, match=rf"activate\.d ended the shell with .*{why}"):
            refuse(users)


def test_start_up_files_that_end_every_shell_are_not_blamed_on_the_environment(tmp_path: Path) -> None:
    program(made(tmp_path) / "etc" / "conda" / "activate.d" / "good.sh", "true\n")
    program(tmp_path / "ends.sh", "exit 0\n")
    with pytest.raises(LightshipError, match=r"what BASH_ENV names\) end the shell"):
        Conda(tmp_path).enter({"PATH": "/usr/bin", "PWD": "/", "BASH_ENV": str(tmp_path / "ends.sh")})
