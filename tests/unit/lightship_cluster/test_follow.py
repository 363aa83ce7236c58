from __future__ import annotations

import io
import time
from pathlib import Path
from typing import Any

import pytest

from lightship_cluster import follow
from lightship_cluster.agent_client import AgentClient, AgentError
from lightship_cluster.errors import ExitStatus, LightshipError
from lightship_cluster.follow import Follower, Submitted, describe_ready, last_lines
from lightship_cluster.link_folder import LinkFolder
from lightship_cluster.progress import Progress
from lightship_cluster.schedulers.slurm import Slurm

LOST = AgentError("No agent.", ExitStatus.AGENT)
READY = {"state": "ready", "expires": 0}


def job(state: str, reason: str = "") -> dict[str, Any]:
    return {"state": "waiting", "job": {"state": state, "reason": reason, "start": "", "node": ""}}


class ScriptedAgent(AgentClient):
    def __init__(self, *replies: dict[str, Any] | AgentError) -> None:
        self.replies = list(replies)

    def status(self, name: str) -> dict[str, Any]:  # noqa: ARG002 - one link is enough
        reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        if isinstance(reply, AgentError):
            raise reply
        return reply


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in (("LOOK_SECONDS", 0.01), ("PATIENCE_SECONDS", 0.1), ("LAST_WORDS_SECONDS", 0.05)):
        monkeypatch.setattr(follow, name, seconds)


@pytest.fixture
def folder(tmp_path: Path) -> LinkFolder:
    return LinkFolder.create(tmp_path, "one-two-three", {}, "s", "t")


def followed(folder: LinkFolder, *replies: dict[str, Any] | AgentError) -> tuple[dict[str, Any], str]:
    shown = io.StringIO()
    follower = Follower(ScriptedAgent(*replies), Slurm(), Progress(shown), Submitted("one-two-three", "17", folder))
    return follower.until_ready(), shown.getvalue()


def test_it_tells_the_story_until_ready(folder: LinkFolder) -> None:
    starting = {**job("RUNNING"), "state": "starting"}
    waiting = {"state": "waiting", "job": None}
    status, shown = followed(folder, waiting, job("PENDING", "Priority"), LOST, job("RUNNING"), starting, READY)

    assert status == READY
    assert shown.splitlines() == [
        "Job 17 is submitted",
        "Queued: other jobs are before it",
        "The job cannot be seen just now; it goes on",
        "The job has begun",
        "Jupyter is starting on its node",
    ]


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (job("CANCELLED"), "The job was cancelled."),
        (job("TIMEOUT"), "The job's time is over."),
        (job("GONE"), "Slurm no longer lists it."),
        ({"state": "ended", "reason": "Port 4567 is taken."}, "Port 4567 is taken."),
        ({"state": "ended", "reason": None}, "The job ended before Jupyter answered."),
    ],
)
def test_a_job_that_ends_says_why_with_its_last_lines(folder: LinkFolder, reply: dict[str, Any], words: str) -> None:
    folder.log.write_text("one\n\x1b[31mtwo\x07\n\n")
    with pytest.raises(LightshipError, match="The notebook did not start") as failed:
        followed(folder, reply)

    assert failed.value.status is ExitStatus.JOB
    assert words in failed.value.sentence
    assert failed.value.sentence.endswith("    one\n    [31mtwo")


def test_the_last_words_of_a_job_are_waited_for(folder: LinkFolder) -> None:
    with pytest.raises(LightshipError, match="No space left"):
        followed(folder, job("FAILED"), {"state": "ended", "reason": "No space left."})


def test_a_job_back_in_the_queue_is_not_over(folder: LinkFolder) -> None:
    status, _ = followed(folder, job("NODE_FAIL"), job("PENDING"), READY)
    assert status == READY


def test_a_lost_agent_is_given_up_and_the_job_is_not(folder: LinkFolder) -> None:
    with pytest.raises(AgentError, match="Your job 17 goes on") as lost:
        followed(folder, LOST)

    assert lost.value.status is ExitStatus.AGENT


def test_the_log_is_cut_to_its_end(folder: LinkFolder) -> None:
    folder.log.write_text("\n".join(str(number) for number in range(1000)))
    assert last_lines(folder) == [str(number) for number in range(985, 1000)]
    folder.remove()
    assert last_lines(folder) == []


def test_ready_says_how_long_and_how_to_stop() -> None:
    line = describe_ready({"expires": time.time() + 1799}, "scancel 17")
    assert line == "Ready: your notebook answers. 29 min left. To stop it: scancel 17"
