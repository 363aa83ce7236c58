"""Select statements. OpenPBS 23.06.06 used the last of two, and refused `-l mem=` together with one."""

from __future__ import annotations

from typing import Any

import pytest

from lightship_cluster.core.errors import ExitStatus, LightshipError
from lightship_cluster.schedulers import pbs_select
from lightship_cluster.schedulers.base import Resources


def chosen(chunk: dict[str, str], *extra: str, **asked: Any) -> pbs_select.Chosen:
    return pbs_select.choose(Resources(30, **asked), chunk, extra)


@pytest.mark.parametrize(
    ("chunk", "extra", "select"),
    [
        ({}, ("-l", "mem=1gb"), "1:mem=1gb"),
        ({}, ("-lmem=1gb,ncpus=2",), "1:mem=1gb:ncpus=2"),
        ({"ncpus": "2"}, ("-l", "mem=1gb"), "1:ncpus=2:mem=1gb"),
        ({"ncpus": "2"}, ("-l", "ncpus=2"), "1:ncpus=2"),
        ({"ncpus": "2"}, ("-l", "select=1:ngpus=1"), "1:ncpus=2:ngpus=1"),
        ({}, ("-l", "select=ngpus=1:mem=1gb"), "1:ngpus=1:mem=1gb"),
        ({}, ("-l", "select=1:ncpus=1", "-l", "select=2:ncpus=2"), "2:ncpus=2"),
        ({}, ("-l", "select=1:ncpus=1+2:ncpus=2"), "1:ncpus=1+2:ncpus=2"),
        ({"ncpus": "2"}, (), "1:ncpus=2"),
    ],
)
def test_all_of_it_is_in_one_select(chunk: dict[str, str], extra: tuple[str, ...], select: str) -> None:
    assert chosen(chunk, *extra).resources == (f"select={select}",)
    assert chosen(chunk, *extra).options == ()
    assert chosen(chunk, *extra).warning == ""


def test_without_any_the_batch_script_says_it() -> None:
    assert chosen({}).resources == ()


def test_what_is_of_the_whole_job_stays_beside_it() -> None:
    found = chosen({"ncpus": "2"}, "-V", "-l", 'place=excl,software="a,b"', "-m", "n", constraint="switch=ib")
    assert found.resources == ("select=1:ncpus=2:switch=ib", "place=excl", 'software="a,b"')
    assert found.options == ("-V", "-m", "n")


@pytest.mark.parametrize(
    ("chunk", "extra", "asked", "words"),
    [
        ({"ncpus": "1"}, ("-l", "select=1:ncpus=2"), {}, r"with -c \(ncpus=1\) and, behind --, with select=ncpus=2"),
        ({"mem": "512mb"}, ("-l", "mem=1gb"), {}, r"with -m \(mem=512mb\) and, behind --, with -l mem=1gb"),
        ({}, ("-l", "ncpus=1,ncpus=2"), {}, r"Leave one out"),
        ({}, ("-l", "select=1:ncpus=2"), {"nodes": 2}, r"with --nodes 2 and, behind --, with select=1:ncpus=2"),
        ({}, ("-l", "nodes=2:ppn=4"), {}, r"no -l nodes=2:ppn=4 beside a select .* Give --nodes and -c"),
    ],
)
def test_what_is_said_twice_is_refused(
    chunk: dict[str, str], extra: tuple[str, ...], asked: dict[str, Any], words: str
) -> None:
    with pytest.raises(LightshipError, match=words) as refused:
        chosen(chunk, *extra, **asked)
    assert refused.value.status is ExitStatus.USAGE


def test_what_is_not_asked_for_is_said() -> None:
    found = chosen({"ncpus": "2"}, "-l", "select=1:ncpus=1+2:ncpus=2", nodes=3)
    assert found.resources == ("select=1:ncpus=1+2:ncpus=2",)
    assert found.warning == (
        "-l select=1:ncpus=1+2:ncpus=2 stands behind -- and is taken as it is: 3:ncpus=2 is not asked for."
    )
