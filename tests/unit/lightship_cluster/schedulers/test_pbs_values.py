from __future__ import annotations

import time

import pytest

from lightship_cluster.schedulers import pbs_values


@pytest.mark.parametrize(
    ("job_id", "number"),
    [
        ("4711", "4711"),
        ("4711.pbs1", "4711"),
        ("4711[].pbs1", "4711"),
        ("0.pbs1", "0"),
        ("01", ""),
        ("-x", ""),
        ("1; rm", ""),
        ("12a", ""),
    ],
)
def test_a_job_is_asked_for_by_its_number(job_id: str, number: str) -> None:
    assert pbs_values.number_of(job_id) == number


def test_times_and_sizes() -> None:
    assert [pbs_values.seconds_of(text) for text in ("01:00:30", "30:00", "90", "", "x")] == [3630, 1800, 90, -1, -1]
    assert [pbs_values.mebibytes_of(text) for text in ("16gb", "512MB", "1048576kb", "2tb", "1048576", "lots")] == [
        16384,
        512,
        1024,
        2 * 1024**2,
        1,
        -1,
    ]
    assert pbs_values.time_of("1795254421") == pbs_values.time_of(time.ctime(1795254421)) == 1795254421
    assert pbs_values.time_of("soon") == pbs_values.time_of("") == 0


@pytest.mark.parametrize(
    ("reservation", "queue"), [("R626.login", "R626"), ("R626", "R626"), ("S1.a.b", "S1"), ("course.1", "course.1")]
)
def test_a_reservation_is_a_queue(reservation: str, queue: str) -> None:
    assert pbs_values.queue_of(reservation) == queue
    assert [pbs_values.is_reservation(name) for name in ("R626", "M2", "course", "R2D2")] == [True, True, False, False]
