from __future__ import annotations

import os
from pathlib import Path

from lightship_cluster.environments.shells import run_script


def test_variables_survive_whatever_they_hold_and_whatever_start_up_files_print(tmp_path: Path) -> None:
    (tmp_path / ".bash_profile").write_text("echo A=greeting; export ADDED='two\nlines'; echo oops >&2\n")
    before = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "ODD": os.fsdecode(b"\xff=="), "SHLVL": "3", "PWD": "/x"}
    done = run_script("activate_conda.sh", [str(tmp_path)], before, login=True)

    assert done.status == 0
    assert done.variables.pop("PATH")
    assert {name: done.variables[name] for name in ("ODD", "SHLVL", "PWD")} == {
        name: before[name] for name in ("ODD", "SHLVL", "PWD")
    }
    assert done.variables["ADDED"] == "two\nlines"
    assert "A" not in done.variables
    assert "_" not in done.variables


def test_a_script_that_ends_early_leaves_no_variables(tmp_path: Path) -> None:
    (tmp_path / ".bash_profile").write_text("exit 3\n")
    before = {"HOME": str(tmp_path), "PWD": "/", "SHLVL": "1"}
    done = run_script("activate_conda.sh", [str(tmp_path)], before, login=True)

    assert (done.status, done.began, done.variables) == (3, False, {})
