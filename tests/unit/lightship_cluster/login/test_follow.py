from __future__ import annotations

import io
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from lightship_cluster.agent.client import AgentClient, AgentError
from lightship_cluster.core.errors import ExitStatus, LightshipError
from lightship_cluster.core.link_folder import LinkFolder
from lightship_cluster.login import follow
from lightship_cluster.login.follow import Follower, OwnPoll, Submitted, describe_ready, job_in
from lightship_cluster.login.progress import Progress
from lightship_cluster.schedulers.base import JobState
from lightship_cluster.schedulers.slurm import Slurm
from unit.lightship_cluster.schedulers.conftest import Command, command

__all__ = ["command"]

LOST = AgentError("No agent.", ExitStatus.AGENT)
READY = {"state": "ready", "expires": 0}


def job(state: str, reason: str = "") -> dict[str, Any]:
    return {"state": "waiting", "job_id": "17", "job": {"state": state, "reason": reason, "start": "", "node": ""}}


class ScriptedAgent(AgentClient):
    def __init__(self, *replies: dict[str, Any] | AgentError) -> None:
        self.replies = list(replies)
        self.told: list[tuple[str, str]] = []
        self.refusals = 0

    def status(self, name: str) -> dict[str, Any]:  # noqa: ARG002 - one link is enough
        reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        if isinstance(reply, AgentError):
            raise reply
        return reply

    def set_job(self, name: str, job_id: str) -> dict[str, Any]:
        self.told.append((name, job_id))
        if len(self.told) <= self.refusals:
            raise LOST
        return {}


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in (("POLL_SECONDS", 0.01), ("PATIENCE_SECONDS", 0.1), ("LAST_WORDS_SECONDS", 0.05)):
        monkeypatch.setattr(follow, name, seconds)


@pytest.fixture
def folder(tmp_path: Path) -> LinkFolder:
    return LinkFolder.create(tmp_path, "one-two-three", {}, "s", "t")


def followed(folder: LinkFolder, *replies: dict[str, Any] | AgentError) -> tuple[dict[str, Any], str]:
    return followed_by(ScriptedAgent(*replies), folder)


def followed_by(agent: ScriptedAgent, folder: LinkFolder, scheduler: Slurm | None = None) -> tuple[dict[str, Any], str]:
    shown = io.StringIO()
    follower = Follower(agent, scheduler or Slurm(), Progress(shown), Submitted("one-two-three", "17", folder))
    return follower.until_ready(), shown.getvalue()


@pytest.mark.parametrize(
    ("state", "printed"),
    [("CANCELLED", False), ("FAILED", True)],
)
def test_a_job_that_was_cancelled_is_not_asked_what_it_printed(
    folder: LinkFolder, state: str, *, printed: bool
) -> None:
    with pytest.raises(LightshipError) as failed:
        followed(folder, job("PENDING", "Priority"), job(state))

    assert ("printed nothing" in failed.value.sentence) is printed


def test_an_agent_that_knows_nothing_yet_unsays_nothing(folder: LinkFolder) -> None:
    nothing = {"state": "waiting", "job_id": "17", "job": None}
    _, shown = followed(folder, job("PENDING", "Priority"), nothing, nothing, job("PENDING", "Priority"), READY)

    assert shown.splitlines() == ["Queued: other jobs come first"]


def test_it_tells_the_story_until_ready(folder: LinkFolder) -> None:
    starting = {**job("RUNNING"), "state": "starting"}
    waiting = {"state": "waiting", "job": None}
    status, shown = followed(folder, waiting, job("PENDING", "Priority"), LOST, job("RUNNING"), starting, READY)

    assert status == READY
    assert shown.splitlines() == [
        "Job 17 is submitted",
        "Queued: other jobs come first",
        "The job's state is unknown just now; the job goes on",
        "The job has begun",
        "Jupyter is starting on its node",
    ]


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (job("CANCELLED"), "The job was cancelled."),
        (job("TIMEOUT"), "The job's time is over."),
        ({"state": "ended", "reason": "Port 4567 is taken."}, "Port 4567 is taken."),
        ({"state": "ended", "reason": None}, "The link ended before the notebook answered."),
    ],
)
def test_a_job_that_ends_says_why_with_its_last_lines(folder: LinkFolder, reply: dict[str, Any], words: str) -> None:
    folder.log.write_text("one\n\x1b[31mtwo\x07\n\n")
    with pytest.raises(LightshipError, match="The notebook did not start") as failed:
        followed(folder, reply)

    assert failed.value.status is ExitStatus.JOB
    assert words in failed.value.sentence
    assert failed.value.sentence.endswith("    one\n    two")


def test_the_last_words_of_a_job_are_waited_for(folder: LinkFolder) -> None:
    with pytest.raises(LightshipError, match="No space left"):
        followed(folder, job("FAILED"), {"state": "ended", "reason": "No space left."})


@pytest.mark.parametrize("start", [1795254421, time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(1795254421))])
def test_an_estimated_start_is_read_from_this_agent_and_from_an_older_one(start: object) -> None:
    told = job("PENDING")
    told["job"]["start"] = start
    assert job_in(told) == JobState("PENDING", start=1795254421)

    told["job"]["start"] = ""
    assert job_in(told) == JobState("PENDING")


def test_a_job_that_was_listed_and_is_gone_is_over(folder: LinkFolder) -> None:
    with pytest.raises(LightshipError, match="Slurm no longer lists it") as failed:
        followed(folder, job("RUNNING"), job("GONE"))

    assert "scancel" not in failed.value.sentence


class Owner(Slurm):
    """A scheduler that shows jobs only to their owners."""

    def __init__(self, state: str) -> None:
        self.state = state

    def job_states(self, job_ids: Iterable[str]) -> dict[str, JobState]:
        return dict.fromkeys(job_ids, JobState(self.state, "Priority"))


@pytest.mark.parametrize("hidden", [job("GONE"), {"state": "waiting", "job_id": "17", "job": None}])
def test_a_job_that_the_agent_may_not_see_is_asked_for_by_its_owner(
    folder: LinkFolder, hidden: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follow, "OWN_POLL_SECONDS", 0.0)
    _, shown = followed_by(ScriptedAgent(hidden, hidden, READY), folder, Owner("PENDING"))
    assert "Queued: other jobs come first" in shown

    with pytest.raises(LightshipError, match="The job was cancelled"):
        followed_by(ScriptedAgent(hidden), folder, Owner("CANCELLED"))


def test_a_job_that_was_never_listed_may_be_hidden(folder: LinkFolder) -> None:
    status, shown = followed(folder, *[job("GONE")] * 20, READY)

    assert status == READY
    assert shown.splitlines() == ["Job 17 is submitted"]


def test_a_job_whose_link_is_starting_is_not_gone(folder: LinkFolder) -> None:
    starting = {**job("GONE"), "state": "starting"}
    status, _ = followed(folder, job("PENDING"), *[starting] * 20, READY)

    assert status == READY


@pytest.mark.parametrize("state", ["PENDING", "GONE"])
def test_a_link_that_ends_before_its_job_says_how_to_stop_it(folder: LinkFolder, state: str) -> None:
    with pytest.raises(LightshipError, match=r"did not start\. Revoked\. If job 17 is .* scancel 17\n") as failed:
        followed(folder, {**job(state), "state": "ended", "reason": "Revoked."})

    assert failed.value.status is ExitStatus.JOB


class Cancelling(Slurm):
    def __init__(self, error: str = "") -> None:
        self.error = error
        self.cancelled: list[str] = []

    def cancel(self, job_id: str) -> None:
        self.cancelled.append(job_id)
        if self.error:
            raise LightshipError(self.error)


CANCELLED = {"state": "ended", "cause": "cancelled", "reason": "Cancelled on its page."}


def test_a_link_cancelled_while_its_job_waits_takes_the_job_out_of_the_queue(folder: LinkFolder) -> None:
    slurm = Cancelling()
    with pytest.raises(LightshipError, match=r"Cancelled on its page\. Job 17 was cancelled too\.") as failed:
        followed_by(ScriptedAgent(job("PENDING"), {**job("PENDING"), **CANCELLED}), folder, slurm)

    assert failed.value.status is ExitStatus.JOB
    assert slurm.cancelled == ["17"]


def test_a_job_that_cannot_be_cancelled_is_left_to_the_user(folder: LinkFolder) -> None:
    with pytest.raises(LightshipError, match=r"If job 17 is still there, stop it: scancel 17"):
        followed_by(ScriptedAgent({**job("PENDING"), **CANCELLED}), folder, Cancelling("Slurm does not answer."))


@pytest.mark.parametrize(
    "ending", [{"state": "CANCELLED", "cause": "cancelled"}, {"state": "RUNNING", "cause": "failed"}]
)
def test_a_job_that_ends_by_itself_is_not_cancelled(folder: LinkFolder, ending: dict[str, str]) -> None:
    slurm = Cancelling()
    with pytest.raises(LightshipError):
        followed_by(ScriptedAgent({**job(ending["state"]), **CANCELLED, "cause": ending["cause"]}), folder, slurm)

    assert not slurm.cancelled


def test_a_link_that_ends_with_its_job_needs_no_stopping(folder: LinkFolder) -> None:
    with pytest.raises(LightshipError, match="Shut down") as failed:
        followed(folder, {**job("FAILED"), "state": "ended", "reason": "Shut down."})

    assert "scancel" not in failed.value.sentence


def test_a_lost_job_number_is_told_again_until_it_is_known(folder: LinkFolder) -> None:
    unknown = {"state": "waiting", "job_id": "", "job": None}
    agent = ScriptedAgent(unknown, unknown, job("PENDING"), job("RUNNING"), READY)
    agent.refusals = 1
    status, _ = followed_by(agent, folder)

    assert status == READY
    assert agent.told == [("one-two-three", "17")] * 2


def test_a_job_back_in_the_queue_is_not_over(folder: LinkFolder) -> None:
    status, _ = followed(folder, job("NODE_FAIL"), job("PENDING"), READY)
    assert status == READY


def test_a_lost_agent_is_given_up_and_the_job_is_not(folder: LinkFolder) -> None:
    with pytest.raises(AgentError, match=r"Your job 17 goes on\. To stop it: scancel 17") as lost:
        followed(folder, LOST)

    assert lost.value.status is ExitStatus.AGENT


def test_ready_says_how_long_and_how_to_stop() -> None:
    said = describe_ready({"expires": time.time() + 1799}, "https://one-two-three.example.org")
    assert said.splitlines() == [
        "Ready: your notebook answers. 29 min left. To stop it: start-jupyter stop",
        "Its own page, with the time that is left: https://one-two-three.example.org/.lightship/",
    ]


def test_the_scheduler_is_not_asked_at_once(command: Command) -> None:
    noted = command("squeue", "17|PENDING|2001|||Priority\n")

    assert OwnPoll(Slurm(), "17").job() is None
    assert not noted.exists()


def test_it_is_asked_for_the_one_job_and_not_again_for_a_while(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    noted = command("squeue", "17|PENDING|2001|||Priority\n")
    monkeypatch.setattr(follow, "OWN_POLL_SECONDS", 0.0)
    poll = OwnPoll(Slurm(), "17")
    monkeypatch.setattr(follow, "OWN_POLL_SECONDS", 3600.0)

    assert poll.job() == JobState("PENDING", "Priority", uid=2001)
    noted.unlink()
    assert poll.job() == JobState("PENDING", "Priority", uid=2001)
    assert not noted.exists()


def test_a_scheduler_that_does_not_answer_says_nothing(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    command("squeue", "", "Unable to contact slurm controller\n", 1)
    monkeypatch.setattr(follow, "OWN_POLL_SECONDS", 0.0)

    assert OwnPoll(Slurm(), "17").job() is None
