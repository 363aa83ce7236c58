from __future__ import annotations

import subprocess

import pytest

from lightship_cluster.core.programs import run_program


def test_a_program_gets_the_environment_given_and_no_input() -> None:
    done = run_program(["/bin/sh", "-c", "env; cat; echo lost >&2; exit 3"], {"ONLY": "this"}, 10)

    assert "ONLY=this" in done.stdout.splitlines()
    assert "HOME=" not in done.stdout
    assert (done.stderr, done.returncode) == ("lost\n", 3)


@pytest.mark.parametrize("end", ["\\r", "\\x85", "\\f", "\\x1c"])
def test_no_end_of_a_line_is_made_of_another(end: str) -> None:
    done = run_program(["/usr/bin/printf", f"a{end}b\\n"], {"LC_ALL": "C"}, 10)

    assert done.stdout.split("\n") == [f"a{end}b".encode().decode("unicode_escape").replace("\x85", "\ufffd"), ""]


def test_a_program_that_hangs_is_stopped() -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        run_program(["/bin/sh", "-c", "exec /bin/sleep 20"], {}, 0.2)
