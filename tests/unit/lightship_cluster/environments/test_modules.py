"""A function that behaves like either module system; the test bed has the real ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from lightship_cluster.core.errors import ExitStatus, LightshipError
from lightship_cluster.environments.modules import Modules

LMOD = """module() {
  [[ $1 = load ]] || return 1
  if [[ $2 = python* ]]; then export PATH=/modules/$2/bin:$PATH FROM_MODULE=yes; else
    echo 'Lmod has detected the following error:  The following module(s) are unknown: "'$2'"' >&2
    return 1
  fi
}
"""
# Version 3 of the Tcl modules ends with 0 whatever happens.
OLD_TCL = "module() { echo \"ModuleCmd_Load.c(213):ERROR:105: Unable to locate a modulefile for '$2'\" >&2; }\n"


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    (tmp_path / ".bash_profile").write_text(f"PATH=/start-up/bin\n{LMOD}")
    return {"HOME": str(tmp_path), "PATH": "/activated/bin:/usr/bin:/bin"}


def test_a_login_shells_module_is_found_and_what_was_activated_stays(home: dict[str, str]) -> None:
    entered = Modules(("python/3.12",)).enter(home)

    assert entered["FROM_MODULE"] == "yes"
    assert entered["PATH"] == "/modules/python/3.12/bin:/activated/bin:/usr/bin:/bin"


def test_a_module_that_the_shell_hands_on_needs_no_login_shell(home: dict[str, str]) -> None:
    handed_on = {"BASH_FUNC_module%%": "() { export FROM_MODULE=handed-on:$2; }"}

    assert Modules(("python",)).enter({**home, **handed_on})["FROM_MODULE"] == "handed-on:python"


def test_a_module_that_was_handed_on_without_its_helper_is_not_believed(home: dict[str, str]) -> None:
    handed_on = {"BASH_FUNC_module%%": '() { _module_raw "$@"; }', "PWD": "/"}
    entered = Modules(("python/3.12",)).enter({**home, **handed_on})

    assert (entered["FROM_MODULE"], "BASH_FUNC_module%%" in entered) == ("yes", False)


@pytest.mark.parametrize("line", ["exec true", "exit 0", "exec /bin/sh -c 'exit 3'"])
def test_start_up_files_that_end_the_shell_are_gone_round(home: dict[str, str], tmp_path: Path, line: str) -> None:
    (tmp_path / ".bash_profile").write_text(f"{line}\n")
    (tmp_path / "modules" / "init").mkdir(parents=True)
    (tmp_path / "modules" / "init" / "bash").write_text(LMOD)
    users = {**home, "PWD": "/", "SHLVL": "1", "MODULESHOME": str(tmp_path / "modules")}

    assert Modules(("python/3.12",)).enter(users)["FROM_MODULE"] == "yes"


def test_where_no_shell_comes_to_anything_the_start_up_files_are_named(home: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / ".bash_profile").write_text("exec true\n")
    users = {**home, "PWD": "/", "BASH_ENV": str(tmp_path / ".bash_profile")}
    with pytest.raises(LightshipError, match=r"Cannot module load python: your shell's start-up files"):
        Modules(("python",)).enter(users)


def test_an_unknown_module_is_refused_in_the_module_systems_own_words(home: dict[str, str]) -> None:
    with pytest.raises(LightshipError, match='are unknown: "pyhton"') as refused:
        Modules(("python", "pyhton")).enter(home)

    assert refused.value.sentence.startswith("Cannot load module load python pyhton. The module system says:\n    Lmod")
    assert refused.value.status is ExitStatus.JUPYTER


def test_an_error_that_is_only_said_counts_too(home: dict[str, str]) -> None:
    Path(home["HOME"], ".bash_profile").write_text(OLD_TCL)
    with pytest.raises(LightshipError, match="Unable to locate a modulefile for 'python'"):
        Modules(("python",)).enter(home)


@pytest.mark.parametrize("name", ["; reboot", "$(id)", "--force", "a b", ""])
def test_what_is_no_name_never_reaches_a_shell(name: str) -> None:
    with pytest.raises(LightshipError, match="is not the name of a module"):
        Modules((name,))


def test_a_start_loads_them_once(home: dict[str, str]) -> None:
    with Path(home["HOME"], ".bash_profile").open("a") as profile:
        profile.write(f"echo >>{home['HOME']}/loaded\n")
    modules = Modules(("python",))
    modules.enter(home)["PATH"] = "spoilt"

    assert Modules(("python",)).enter(home)["FROM_MODULE"] == "yes"
    assert Modules(("python",)).enter(home)["PATH"] != "spoilt"
    assert Path(home["HOME"], "loaded").read_text() == "\n"
    modules.enter({**home, "PATH": "/bin:/usr/bin"})
    assert Path(home["HOME"], "loaded").read_text() == "\n\n"
