"""Outputs written by hand from OpenPBS's qstat(1B) and pbs_job_attributes(7B); src/cmds/qstat.c folds the lines."""

from __future__ import annotations

import json
import time

import pytest

from lightship_cluster.schedulers import pbs_text

FOLDED = """\
Job Id: 4711.pbs1.example.org
    Job_Name = jupyterlab
    Job_Owner = alice@login1.example.org
    job_state = Q
    Variable_List = PBS_O_HOME=/home/alice,PBS_O_LANG=en_US.UTF-8,
\tPBS_O_PATH=/home/alice/a/very/long/path/that/does/not/fit/into/the/line/of
\t/78/letters:/usr/bin,job_state = R
    comment = Not Running: Insufficient amount of resource: ncpus (R: 64 A: 12
\t T: 128)
    Resource_List.walltime = 01:00:00

Job Id: 4712.pbs1.example.org
    job_state = R
"""


def test_folded_lines_are_read_as_one() -> None:
    records = pbs_text.of_text(FOLDED)

    assert list(records) == ["4711.pbs1.example.org", "4712.pbs1.example.org"]
    first = records["4711.pbs1.example.org"]
    assert first["job_state"] == "Q"
    assert first["comment"] == "Not Running: Insufficient amount of resource: ncpus (R: 64 A: 12 T: 128)"
    assert first["Resource_List.walltime"] == "01:00:00"


def test_a_users_variable_cannot_speak_for_another_job() -> None:
    forged = FOLDED + "Job Id: 9.x\n    Variable_List = A=\nJob Id: 4712.pbs1.example.org\n    job_state = F\n"

    assert "4712.pbs1.example.org" not in pbs_text.of_text(forged)
    twice = '{"Jobs": {"1.x": {"job_state": "R"}, "1.x": {"job_state": "F"}}}'
    assert pbs_text.of_json(twice, "Jobs") == {}


def test_no_other_end_of_a_line_than_the_printed_one_counts() -> None:
    forged = "Job Id: 9.x\n    job_state = R\n    Variable_List = A=\u2028Job Id: 4712.x\u2028    job_state = F\n"

    assert list(pbs_text.of_text(forged)) == ["9.x"]


def test_json_is_read_with_its_resources() -> None:
    job = {"job_state": "Q", "Resource_List": {"walltime": "01:00:00", "ncpus": 2}, "ctime": "x"}

    assert pbs_text.of_json(json.dumps({"Jobs": {"1.x": job}}), "Jobs") == {
        "1.x": {"job_state": "Q", "Resource_List.walltime": "01:00:00", "Resource_List.ncpus": "2", "ctime": "x"}
    }


@pytest.mark.parametrize(
    "text",
    ["", "[]", '{"Jobs": []}', '{"Jobs": {"1.x": {"Variable_List": {"foo": 005}}}}', '{"Jobs": {"1.x": {"A": "\\,"}}}'],
)
def test_json_that_is_none_says_nothing(text: str) -> None:
    assert pbs_text.of_json(text, "Jobs") == {}


@pytest.mark.parametrize(
    ("job_id", "number"),
    [
        ("4711", "4711"),
        ("4711.pbs1", "4711"),
        ("4711[].pbs1", "4711"),
        ("0", ""),
        ("-x", ""),
        ("1; rm", ""),
        ("12a", ""),
    ],
)
def test_a_job_is_asked_for_by_its_number(job_id: str, number: str) -> None:
    assert pbs_text.number_of(job_id) == number


def test_times_and_sizes() -> None:
    assert [pbs_text.seconds_of(text) for text in ("01:00:30", "30:00", "90", "", "x")] == [3630, 1800, 90, -1, -1]
    assert [pbs_text.mebibytes_of(text) for text in ("16gb", "512MB", "1048576kb", "2tb", "1048576", "lots")] == [
        16384,
        512,
        1024,
        2 * 1024**2,
        1,
        -1,
    ]
    assert pbs_text.time_of("1795254421") == pbs_text.time_of(time.ctime(1795254421)) == 1795254421
    assert pbs_text.time_of("soon") == pbs_text.time_of("") == 0
