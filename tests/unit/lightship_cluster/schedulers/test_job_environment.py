from __future__ import annotations

from pathlib import Path

import pytest

from lightship_cluster.schedulers.base import JobRequest, Resources
from lightship_cluster.schedulers.job_environment import for_sbatch, users_entries


def taken(tmp_path: Path, extra: tuple[str, ...], *lines: str) -> tuple[list[str], list[str]]:
    script = tmp_path / "own.sh"
    script.write_text("\n".join(["#!/bin/bash", *lines]))
    request = JobRequest(script, ("/link", "/register"), tmp_path, tmp_path / "log", Resources(60, extra=extra))
    entries, options = users_entries(request)
    return list(entries.values()), options


@pytest.mark.parametrize(
    ("extra", "entries", "options"),
    [
        ((), [], []),
        (("-l", "place=excl"), [], ["-l", "place=excl"]),
        (("-v", "A=1,B"), ["A=1", "B"], []),
        (("-vA=1", "-V", "-v", "B"), ["A=1", "B"], ["-V"]),
        (("-v", "A=1", "-v", "A=2"), ["A=2"], []),
        (("-v", "A"), ["A"], []),
        (("-v",), [], []),
        # What PBS's manual writes: qsub -v "var1='A,B,C,D'"
        (("-v", "var1='A,B,C,D',B"), ["var1='A,B,C,D'", "B"], []),
        (("-v", 'A="it\'s, well",B'), ['A="it\'s, well"', "B"], []),
        (("-v", r"A=x\,y,B"), [r"A=x\,y", "B"], []),
        (("-v", '"A=x,y",B'), ['"A=x,y"', "B"], []),
        # An open quotation is qsub's to refuse, in the user's own words.
        (("-v", "A=it's,B"), ["A=it's", "B"], []),
        (("-v", "LIGHTSHIP_LINK=/none,A,LIGHTSHIP_REGISTER,'LIGHTSHIP_LINK'"), ["A"], []),
    ],
)
def test_a_users_variables_are_taken_as_they_were_typed(
    tmp_path: Path, extra: tuple[str, ...], entries: list[str], options: list[str]
) -> None:
    assert taken(tmp_path, extra) == (entries, options)


def test_those_in_the_script_count_less_than_those_typed(tmp_path: Path) -> None:
    lines = ["#PBS -v A=1", "#PBS -l select=1", "#PBS -v \"C='x,y'\",D=1", "date", "#PBS -v E"]
    assert taken(tmp_path, ("-v", "D=2"), *lines) == (["A=1", "C='x,y'", "D=2"], [])


@pytest.mark.parametrize(
    ("entry", "told"),
    [("A", "A"), ("A=1", "A=1"), ("A='x,y'", "'A=x,y'"), ('A="x"', '"A=x"'), ("A='", "A='"), ("'A=x,y'", "'A=x,y'")],
)
def test_sbatch_finds_the_quotes_around_the_whole_entry(entry: str, told: str) -> None:
    assert for_sbatch(entry) == told
