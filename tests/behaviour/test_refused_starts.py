"""What the scheduler would refuse or does not answer: the right words and status, and nothing left behind."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lightship_cluster.core.errors import ExitStatus
from support import bed, clusters

HERE = clusters.here()


def traces() -> tuple[set[str], set[str], set[str]]:
    """Return bob's jobs, the files in his home and in temporary folders, and his links that are not ended."""
    files = bed.run(HERE.login, "find ~bob /tmp /var/tmp /dev/shm /run/user -user bob -type f", check=False).stdout
    links = {name for name, state in bed.links("bob").items() if state != "ended"}
    return HERE.jobs_of("bob"), set(files.splitlines()), links


@pytest.fixture(autouse=True)
def no_trace_is_left() -> Iterator[None]:
    before = traces()
    yield
    # What an earlier test ended may go meanwhile: only what is new was left behind.
    assert [after - had for after, had in zip(traces(), before, strict=True)] == [set(), set(), set()]


@pytest.mark.parametrize(
    ("arguments", "status", "phrases"),
    [
        ("-p nosuch", ExitStatus.PARTITION, ["nosuch", "compute", "debug"]),
        ("-p debug -t 61", ExitStatus.PARTITION, ["debug gives 1 h 00 min at most", "fit in: compute"]),
        ("-p compute -t 99:00:00", ExitStatus.PARTITION, ["compute gives 24 h 00 min at most"]),
        (
            f"-- {HERE.refused_option}",
            ExitStatus.SUBMIT,
            [f"{HERE.scheduler} did not take the job", *HERE.refused_words],
        ),
        ("-d ~/nosuch", ExitStatus.FOLDER, ["/home/bob/nosuch"]),
        (
            "-- -t 240" if HERE is clusters.SLURM else "-- -l walltime=4:00:00",
            ExitStatus.USAGE,
            ["Give the time with -t"],
        ),
    ],
)
def test_what_can_never_run_is_refused_at_once(arguments: str, status: ExitStatus, phrases: list[str]) -> None:
    bed.refused(f"start-jupyter {arguments}", status, *phrases, login=HERE.login)


def test_a_scheduler_that_does_not_answer() -> None:
    with HERE.without_server():
        said = f"{HERE.scheduler} does not answer"
        bed.refused("start-jupyter", ExitStatus.SCHEDULER, said, login=HERE.login)
