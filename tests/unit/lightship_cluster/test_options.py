from __future__ import annotations

import re

import pytest

from lightship_cluster import options
from unit.lightship_cluster.test_errors import GUIDE


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("", {"partition": None, "minutes": None, "info": False}),
        ("-b slurm/jupyterlab.sh", {"batch": "slurm/jupyterlab.sh"}),
        ("-d /home/x -p debug -t 30", {"dir": "/home/x", "partition": "debug", "minutes": 30}),
        ("-d /home/x -A ddp363 -p compute -t 60", {"account": "ddp363", "minutes": 60}),
        ("-p debug 01:30:00", {"partition": "debug", "minutes": 90}),
        ("--partition=p --account=a --dir=d --batch=b --time=2:00:00 --info", {"minutes": 120, "info": True}),
    ],
)
def test_the_examples_are_understood(line: str, expected: dict[str, object]) -> None:
    parsed = vars(options.parse(line.split()))

    assert expected.items() <= parsed.items()


@pytest.mark.parametrize("line", ["-t soon", "-t 0", "-t 5 6", "--nonsense", "5 6"])
def test_a_wrong_line_is_refused_with_status_2(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        options.parse(line.split())

    assert refused.value.code == 2
    assert "start-jupyter: error:" in capsys.readouterr().err


def test_every_option_is_in_the_guide_and_no_other(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        options.parse(["--help"])
    offered = set(re.findall(r"(?<!\w)--?[a-zA-Z][a-z]*", capsys.readouterr().out.split("examples:")[0]))
    table = GUIDE.split("## Options")[1].split("## ")[0]

    assert offered == set(re.findall(r"`(--?[a-zA-Z][a-z]*)", table))


@pytest.mark.parametrize(
    ("argv", "command"),
    [
        ([], "start-jupyter"),
        (["-p", "compute", "-t", "60"], "start-jupyter -p compute -t 60"),
        (["-d", "/my notebooks", "02:00:00"], "start-jupyter -d '/my notebooks' 02:00:00"),
        (["-d", "/a\nb"], ""),
        (["-d", "/a\udcffb"], ""),
        (["-d", "/" + "x" * 500], ""),
        (["-d", "/" + "5e" * 12], ""),
        (["-d", "?Token=mine"], ""),
    ],
)
def test_the_command_is_kept_as_typed_if_it_can_be_shown_whole(argv: list[str], command: str) -> None:
    assert options.parse(argv).typed == command
