from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from lightship_cluster.core.errors import ExitStatus, LightshipError
from lightship_cluster.core.link_folder import LinkFolder
from lightship_cluster.job import endings
from lightship_cluster.job.endings import Ending
from lightship_cluster.job.lease import TIME_OVER
from lightship_cluster.job.memory_kills import MemoryKills
from lightship_protocol import causes

FAILURE = Ending(causes.FAILED, "It failed.", ExitStatus.JUPYTER)


class Kills(MemoryKills):
    def __init__(self, *, grown: bool) -> None:
        self._grown = grown

    def grown(self) -> bool:
        return self._grown


SOME, NONE = Kills(grown=True), Kills(grown=False)


@pytest.fixture
def folder(tmp_path: Path) -> LinkFolder:
    return LinkFolder.create(tmp_path, "one-two-three", {}, "s", "t")


@pytest.mark.parametrize(
    ("status", "memory", "cause", "words"),
    [
        (0, SOME, "stopped", "Jupyter was shut down."),
        (-signal.SIGKILL, SOME, "out-of-memory", "-m 16G"),
        (137, SOME, "out-of-memory", "More memory was needed than the job has."),
        (-signal.SIGKILL, NONE, "failed", "signal 9 (Killed)"),
        (-signal.SIGSEGV, SOME, "failed", "signal 11"),
        (3, SOME, "failed", "Jupyter ended with exit status 3."),
    ],
)
def test_how_jupyter_ended_says_why(status: int, memory: Kills, cause: str, words: str) -> None:
    ending = endings.of_exit(status, memory)

    assert ending.cause == cause
    assert words in ending.reason
    assert len(ending.reason) <= 200


def test_a_failed_start_may_be_for_memory() -> None:
    error = LightshipError("Jupyter ended with exit status -9.", ExitStatus.JUPYTER)

    assert endings.of_error(error, -signal.SIGKILL, SOME) == endings.NO_MEMORY
    assert endings.of_error(error, -signal.SIGKILL, NONE) == Ending("failed", error.sentence, ExitStatus.JUPYTER)
    assert endings.of_error(error, None, SOME).cause == "failed"


def test_a_link_that_is_over_already_has_not_failed() -> None:
    assert endings.of_error(LightshipError("Over.", ExitStatus.LINK_ENDED), None, NONE).cause == "ended"
    assert endings.of_heart("The link was ended.") == Ending("ended", "The link was ended.", ExitStatus.LINK_ENDED)
    assert endings.of_heart(TIME_OVER) == Ending("time-limit", TIME_OVER, ExitStatus.OK)


@pytest.mark.parametrize(
    ("link_left", "job_left", "cause"),
    [
        (3600, None, "cancelled"),
        (3600, 3600, "cancelled"),
        (0, None, "cancelled"),  # before the claim
        (30, None, "time-limit"),
        (3600, 30, "time-limit"),  # modules were loaded for an hour before the claim
        (3600, -5, "time-limit"),
    ],
)
def test_a_signal_at_the_end_of_the_time_is_the_time_limit(
    monkeypatch: pytest.MonkeyPatch, link_left: float, job_left: float | None, cause: str
) -> None:
    monkeypatch.delenv("SLURM_JOB_END_TIME", raising=False)
    if job_left is not None:
        monkeypatch.setenv("SLURM_JOB_END_TIME", str(int(time.time() + job_left)))

    assert endings.of_signal(time.time() + link_left if link_left else 0.0).cause == cause


def test_a_failure_tells_the_last_lines_and_a_normal_end_does_not(folder: LinkFolder) -> None:
    folder.log.write_text("\n".join(f"line {number}" for number in range(100)))

    assert endings.tail(folder, FAILURE).splitlines() == [f"line {number}" for number in range(80, 100)]
    assert endings.tail(folder, endings.NO_MEMORY)
    for cause in (causes.STOPPED, causes.CANCELLED, causes.TIME_LIMIT, causes.ENDED):
        assert endings.tail(folder, Ending(cause, "", ExitStatus.OK)) == ""


@pytest.mark.parametrize(
    "line",
    [
        "https://node1:8888/lab?token=abc",
        "+ export OPENAI_KEY=sk-abc",
        "DB_PASS=x",
        "curl --password hunter2",
        "git clone https://bob:ghp_x@example.org/r",
        "Authorization: Bearer x",
        "-----BEGIN OPENSSH PRIVATE KEY-----",
        "b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAAB",
        "id 71b10d37-0044-4726-af57-e00ac7a30b35",
        "ServerApp.token = 'abc'",
        '"password": "x"',
        "Authorization: Basic eA==",
        "AWS_SECRET=x",
        "70" * 16,
    ],
)
def test_a_line_that_may_hold_a_secret_stays_on_the_cluster(folder: LinkFolder, line: str) -> None:
    folder.log.write_text(f"before\n{line}\nKeyError: 'token'\n")

    assert endings.tail(folder, FAILURE) == "before\nKeyError: 'token'"


def test_long_lines_are_cut_to_what_the_registry_takes(folder: LinkFolder) -> None:
    folder.log.write_text("word " * 2000 + "end")
    assert endings.tail(folder, FAILURE) == ("word " * 2000 + "end")[-4000:]
