from __future__ import annotations

from pathlib import Path

import pytest

from lightship_cluster.schedulers.own_options import directives, value_of, values_of

PARTITION = ("-p", "--partition")


@pytest.mark.parametrize(
    ("words", "value"),
    [
        (["-p", "gpu"], "gpu"),
        (["-pgpu"], "gpu"),
        (["--partition=gpu"], "gpu"),
        (["--partition", "gpu"], "gpu"),
        (["-p", "debug", "--exclusive", "-pgpu"], "gpu"),
        (["--partition-of-none=gpu", "--exclusive", "--comment=a -p b"], ""),
        (["-p"], ""),
        ([], ""),
    ],
)
def test_an_option_is_read_in_each_of_its_forms(words: list[str], value: str) -> None:
    assert value_of(words, PARTITION) == value


def test_an_option_that_stands_several_times_is_read_each_time() -> None:
    assert values_of(["-l", "a=1", "-lb=2", "-l", "c=3"], ("-l",)) == ["a=1", "b=2", "c=3"]


def test_directives_end_at_the_first_command(tmp_path: Path) -> None:
    script = tmp_path / "own.sh"
    script.write_text("#!/bin/bash\n#SBATCH -J 'a b' # name\n\n  # why\n#SBATCH\t--exclusive\ndate\n#SBATCH -p gpu\n")
    assert directives(script, "#SBATCH") == ["-J", "a b", "--exclusive"]


def test_a_script_that_cannot_be_read_says_nothing(tmp_path: Path) -> None:
    script = tmp_path / "own.sh"
    assert directives(script, "#SBATCH") == directives(None, "#SBATCH") == []

    script.write_text("#SBATCH --comment='open\n#SBATCH -p gpu\n")
    assert directives(script, "#SBATCH") == ["-p", "gpu"]
