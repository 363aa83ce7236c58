"""A job sees a signal; its scheduler knows what it was for, and its word takes the place of the job's own."""

from __future__ import annotations

from typing import Any

import pytest

from lightship_registry.store.jobs import DOUBT_SECONDS, JobStore
from unit.lightship_registry.links.test_jobs import ending, job, link, report, submit
from unit.lightship_registry.testbed import Testbed

MEMORY = "The job used more memory than it had asked for."
STOPPED = {"cause": "cancelled", "reason": "The job was stopped."}


@pytest.fixture
def over(testbed: Testbed) -> dict[str, Any]:
    """A link whose job heard a signal, and told so."""
    made = submit(testbed)
    testbed.claim(made)
    assert testbed.job(made, "end", STOPPED).status_code == 200
    return made


def killed(**more: Any) -> dict[str, Any]:
    return job(state="ended", **{"cause": "out-of-memory", "reason": MEMORY, "user": "alice", **more})


@pytest.mark.parametrize("cause", ["out-of-memory", "time-limit", "node-failed"])
@pytest.mark.parametrize("told", ["cancelled", "failed", "ended"])
def test_the_scheduler_knows_better_what_it_did(testbed: Testbed, told: str, cause: str) -> None:
    made = submit(testbed)
    testbed.claim(made)
    testbed.job(made, "end", {"cause": told, "reason": "The job was stopped.", "tail": "last line"})
    ended_at = link(testbed, made).ended_at
    testbed.clock.now += 30
    report(testbed, killed(cause=cause, reason="So it was."))

    found = link(testbed, made)
    assert (found.state, found.cause, found.reason) == ("ended", cause, "So it was.")
    assert (found.ended_at, found.tail) == (ended_at, "last line")


def test_its_owner_reads_the_better_word(testbed: Testbed, over: dict[str, Any]) -> None:
    report(testbed, killed())
    status = testbed.agent("GET", f"/v1/links/{over['name']}?user=alice").json()
    assert (status["cause"], status["reason"]) == ("out-of-memory", MEMORY)


@pytest.mark.parametrize("cause", ["cancelled", "failed", "ended"])
def test_a_scheduler_that_knows_no_better_changes_nothing(testbed: Testbed, over: dict[str, Any], cause: str) -> None:
    report(testbed, killed(cause=cause))
    assert ending(testbed, over) == ("ended", "cancelled", "The job was stopped.")


@pytest.mark.parametrize("cause", ["stopped", "time-limit", "out-of-memory"])
def test_a_job_that_knows_what_it_says_is_believed(testbed: Testbed, cause: str) -> None:
    made = submit(testbed)
    testbed.claim(made)
    testbed.job(made, "end", {"cause": cause, "reason": "So it was."})
    assert report(testbed) == []
    report(testbed, killed(cause="node-failed"))
    assert ending(testbed, made) == ("ended", cause, "So it was.")


@pytest.mark.parametrize("who", ["owner", "sweeper"])
def test_no_end_but_a_jobs_own_is_corrected(testbed: Testbed, who: str) -> None:
    made = submit(testbed)
    if who == "owner":
        testbed.agent("POST", f"/v1/links/{made['name']}/cancel", {"user": "alice", "reason": "Enough."})
    else:
        testbed.clock.now = link(testbed, made).expires_at + 1
        testbed.reconciler.end_due(spare_silent=False)
    before = ending(testbed, made)
    report(testbed, killed())
    assert ending(testbed, made) == before
    assert before[0] == "ended"


class TestWhoMaySpeak:
    def test_another_users_job_of_that_number_says_nothing(self, testbed: Testbed, over: dict[str, Any]) -> None:
        report(testbed, killed(user="mallory"))
        assert ending(testbed, over)[1] == "cancelled"

    def test_a_job_without_an_owner_says_nothing(self, testbed: Testbed, over: dict[str, Any]) -> None:
        report(testbed, {key: value for key, value in killed().items() if key != "user"})
        assert ending(testbed, over)[1] == "cancelled"

    def test_another_cluster_says_nothing(self, testbed: Testbed, over: dict[str, Any]) -> None:
        body = b'{"jobs": [{"job_id": "17", "state": "ended", "user": "alice", "cause": "out-of-memory"}]}'
        headers = testbed.signed("POST", "/v1/jobs", body, "other")
        assert testbed.send("POST", "/v1/jobs", headers=headers, content=body).status_code == 200
        assert ending(testbed, over)[1] == "cancelled"

    def test_the_links_secret_is_no_schedulers_word(self, testbed: Testbed, over: dict[str, Any]) -> None:
        testbed.job(over, "end", {"cause": "out-of-memory", "reason": MEMORY})
        assert ending(testbed, over)[1] == "cancelled", "the first word of the job's own stays"
        body = {"jobs": [killed()]}
        bearer = {"authorization": f"Bearer {over['secret']}"}
        assert testbed.send("POST", "/v1/jobs", headers=bearer, json=body).status_code == 403
        assert ending(testbed, over)[1] == "cancelled"

    def test_a_job_of_no_such_link_is_let_pass(self, testbed: Testbed, over: dict[str, Any]) -> None:
        report(testbed, killed(job_id="18"))
        assert ending(testbed, over)[1] == "cancelled"


class TestHowLong:
    def test_it_is_asked_for_until_the_scheduler_has_spoken(self, testbed: Testbed, over: dict[str, Any]) -> None:
        assert report(testbed) == ["17"]
        testbed.clock.now += 30
        assert report(testbed, job(state="running", user="alice")) == ["17"], "squeue still shows it"
        testbed.clock.now += 30
        assert report(testbed, job(state="ended")) == ["17"], "no longer listed, and not in the accounts yet"
        testbed.clock.now += 30
        assert report(testbed, killed(cause="cancelled")) == []
        report(testbed, killed())
        assert ending(testbed, over)[1] == "cancelled", "it speaks once"

    def test_not_for_ever(self, testbed: Testbed, over: dict[str, Any]) -> None:
        testbed.clock.now += DOUBT_SECONDS + 1
        assert report(testbed) == []
        report(testbed, killed())
        assert ending(testbed, over)[1] == "cancelled"

    @pytest.mark.usefixtures("over")
    def test_living_jobs_come_first(self, testbed: Testbed) -> None:
        submit(testbed, "18")
        assert JobStore(testbed.database).watched("demo", testbed.clock(), 2) == ["18", "17"]
        assert JobStore(testbed.database).watched("demo", testbed.clock(), 1) == ["18"]


def test_what_the_scheduler_corrects_is_in_the_audit(
    testbed: Testbed, over: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO", "lightship.audit"):
        report(testbed, killed())
    lines = [line for line in caplog.messages if '"correct"' in line]
    assert len(lines) == 1
    assert over["name"] in lines[0]
    assert "out-of-memory" in lines[0]
