from __future__ import annotations

from pathlib import Path

import pytest

from lightship_cluster.schedulers.own_options import QSUB, SBATCH, Dialect, directives, value_of, values_of

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


@pytest.mark.parametrize(
    ("dialect", "word", "read"),
    [
        (SBATCH, "--arr=1-3", ["--array=1-3"]),
        (SBATCH, "--part", ["--partition"]),
        # Several begin so: sbatch refuses it in its own words. A whole name is itself, whatever else begins so.
        (SBATCH, "--ti=1", ["--ti=1"]),
        (SBATCH, "--time=5", ["--time=5"]),
        (SBATCH, "--wait", ["--wait"]),
        (SBATCH, "--none-such", ["--none-such"]),
        (SBATCH, "-Ha1-3", ["-H", "-a1-3"]),
        (SBATCH, "-HQW", ["-H", "-Q", "-W"]),
        (SBATCH, "-pdebug", ["-pdebug"]),
        (SBATCH, "--", ["--"]),
        (SBATCH, "-", ["-"]),
        (SBATCH, "x", ["x"]),
        (QSUB, "-VJ1-3", ["-V", "-J1-3"]),
        (QSUB, "-lwalltime=1", ["-lwalltime=1"]),
    ],
)
def test_an_option_is_read_as_getopt_reads_it(dialect: Dialect, word: str, read: list[str]) -> None:
    assert dialect.read([word]) == read
