"""What a cluster's scheduler says of jobs: kept for the pages, and believed when a job can no longer speak."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lightship_registry.core.records import Link
from lightship_registry.links.jobs import INTERVAL_SECONDS, MOST_JOBS
from lightship_registry.store.jobs import JobStore
from unit.lightship_registry.testbed import Testbed, notebook


def report(testbed: Testbed, *jobs: dict[str, Any]) -> list[str]:
    answer = testbed.agent("POST", "/v1/jobs", {"jobs": list(jobs)})
    assert answer.status_code == 200, answer.text
    assert answer.json()["interval"] == INTERVAL_SECONDS
    watch: list[str] = answer.json()["watch"]
    return watch


def job(job_id: Any = "17", state: Any = "queued", **more: Any) -> dict[str, Any]:
    return {"job_id": job_id, "state": state, "reason": "", "start": 0, **more}


def submit(testbed: Testbed, job_id: str = "17", user: str = "alice") -> dict[str, Any]:
    made = testbed.create(user, 7200)
    answer = testbed.agent("POST", f"/v1/links/{made['name']}/job", {"user": user, "job_id": job_id})
    assert answer.status_code == 200, answer.text
    return made


def link(testbed: Testbed, made: dict[str, Any]) -> Link:
    found = testbed.store.find(made["name"])
    assert found is not None
    return found


def ending(testbed: Testbed, made: dict[str, Any]) -> tuple[str, str, str]:
    found = link(testbed, made)
    return found.state, found.cause, found.reason


@pytest.fixture
def made(testbed: Testbed) -> dict[str, Any]:
    return submit(testbed)


@pytest.fixture
def ready(testbed: Testbed, made: dict[str, Any], tmp_path: Path) -> dict[str, Any]:
    with notebook(testbed.claim(made).server_context(tmp_path)) as port:
        assert testbed.job(made, "target", {"port": port}).status_code == 200
    return made


class TestReport:
    def test_what_the_scheduler_says_is_kept(self, testbed: Testbed, made: dict[str, Any]) -> None:
        report(testbed, job(reason="Other jobs come first.", start=1_800_000_000))
        found = link(testbed, made)
        assert (found.job_state, found.job_reason, found.job_start) == ("queued", "Other jobs come first.", 1.8e9)
        assert found.job_seen_at == testbed.clock()

        report(testbed, job(state="running"))
        found = link(testbed, made)
        assert (found.job_state, found.job_reason, found.job_start) == ("running", "", 0.0)

    def test_another_clusters_job_of_the_same_number_is_another(self, testbed: Testbed, made: dict[str, Any]) -> None:
        body = b'{"jobs": [{"job_id": "17", "state": "ended", "cause": "cancelled"}]}'
        headers = testbed.signed("POST", "/v1/jobs", body, "other")
        assert testbed.send("POST", "/v1/jobs", headers=headers, content=body).status_code == 200
        assert link(testbed, made).job_seen_at == 0.0

    def test_another_users_job_is_not_shown(self, testbed: Testbed, made: dict[str, Any]) -> None:
        report(
            testbed, job(user="bob", reason="Other jobs come first."), job(user="bob", state="ended", cause="failed")
        )
        assert link(testbed, made).job_state == ""
        report(testbed, job(user="alice"))
        assert link(testbed, made).job_state == "queued"

    def test_an_ended_link_is_left_alone(self, testbed: Testbed, made: dict[str, Any]) -> None:
        testbed.agent("POST", f"/v1/links/{made['name']}/cancel", {"user": "alice"})
        report(testbed, job(state="ended", cause="failed"))
        found = link(testbed, made)
        assert (found.cause, found.job_state, found.job_seen_at) == ("cancelled", "", 0.0)

    def test_it_needs_a_signature(self, testbed: Testbed) -> None:
        assert testbed.send("POST", "/v1/jobs", json={"jobs": []}).status_code == 403

    @pytest.mark.parametrize(
        "data",
        [
            {},
            {"jobs": {}},
            {"jobs": ["17"]},
            {"jobs": [{}]},
            {"jobs": [{"job_id": "17"}]},
            {"jobs": [job(state="PENDING")]},
            {"jobs": [job(state=["queued"])]},
            {"jobs": [job(job_id=17)]},
            {"jobs": [job(reason=17)]},
            {"jobs": [job(start="soon")]},
            {"jobs": [job(start=-1)]},
            {"jobs": [job(start=10**400)]},
            {"jobs": [job(user="")]},
            {"jobs": [job(state="ended", cause="revoked")]},
            {"jobs": [job(state="ended", cause="stopped")]},
            {"jobs": [job(state="ended", cause=None)]},
            {"jobs": [job()] * (MOST_JOBS + 1)},
        ],
    )
    def test_a_wrong_report_changes_nothing(self, testbed: Testbed, made: dict[str, Any], data: Any) -> None:
        answer = testbed.agent("POST", "/v1/jobs", data)
        # A long list may be too large before it is too long.
        assert answer.status_code in {413, 422}, answer.text
        assert link(testbed, made).job_seen_at == 0.0


class TestEnd:
    @pytest.mark.parametrize("cause", ["cancelled", "failed", "node-failed", "out-of-memory", "time-limit", "ended"])
    def test_a_job_that_ended_in_the_queue_ends_its_link(
        self, testbed: Testbed, made: dict[str, Any], cause: str
    ) -> None:
        report(testbed, job(state="ended", cause=cause, reason="The job was cancelled."))
        assert ending(testbed, made) == ("ended", cause, "The job was cancelled.")

    def test_a_job_that_was_listed_and_no_longer_is_ends_its_link(self, testbed: Testbed, made: dict[str, Any]) -> None:
        report(testbed, job())
        report(testbed, job(state="ended"))
        assert ending(testbed, made) == ("ended", "ended", "The job is over.")

    def test_a_job_that_was_never_listed_may_be_hidden_or_too_new(self, testbed: Testbed, made: dict[str, Any]) -> None:
        for _ in range(3):
            report(testbed, job(state="ended"))
        found = link(testbed, made)
        assert (found.state, found.job_state, found.job_seen_at) == ("waiting", "", testbed.clock())

    def test_a_job_that_died_while_jupyter_started_ends_its_link(self, testbed: Testbed, made: dict[str, Any]) -> None:
        testbed.claim(made)
        report(testbed, job(state="running"), job(state="ended"))
        assert link(testbed, made).state == "starting", "the job itself says why, if it can"
        report(testbed, job(state="ended", cause="out-of-memory", reason="Too much."))
        assert ending(testbed, made) == ("ended", "out-of-memory", "Too much.")

    def test_a_notebook_that_sends_heartbeats_lives(self, testbed: Testbed, ready: dict[str, Any]) -> None:
        testbed.clock.now += 60
        report(testbed, job(state="ended", cause="node-failed"))
        assert link(testbed, ready).state == "ready"
        assert testbed.routes

    def test_a_silent_notebook_whose_job_ended_ends_with_its_cause(
        self, testbed: Testbed, ready: dict[str, Any]
    ) -> None:
        testbed.clock.now += 91
        report(testbed, job(state="running"), job(state="ended"))
        assert link(testbed, ready).state == "ready", "nobody said that the job ended"
        report(testbed, job(state="ended", cause="node-failed", reason="The compute node failed."))
        assert ending(testbed, ready) == ("ended", "node-failed", "The compute node failed.")
        assert testbed.routes == {}

    def test_the_jobs_own_word_comes_first(self, testbed: Testbed, ready: dict[str, Any]) -> None:
        testbed.job(ready, "end", {"cause": "stopped", "reason": "Jupyter was shut down."})
        testbed.clock.now += 91
        report(testbed, job(state="ended", cause="ended"))
        assert ending(testbed, ready) == ("ended", "stopped", "Jupyter was shut down.")


class TestWatch:
    def test_one_agent_at_a_time_has_the_list(self, testbed: Testbed, made: dict[str, Any]) -> None:
        assert report(testbed) == ["17"]
        assert report(testbed) == []
        testbed.clock.now += INTERVAL_SECONDS - 1
        assert report(testbed) == []
        testbed.clock.now += 1
        assert report(testbed) == ["17"]
        assert link(testbed, made).job_seen_at == 0.0

    def test_a_clock_that_is_set_back_keeps_the_list_from_nobody(self, testbed: Testbed, made: dict[str, Any]) -> None:
        report(testbed)
        testbed.clock.now -= 5
        assert report(testbed) == [link(testbed, made).job_id]

    def test_each_cluster_has_a_list_of_its_own(self, testbed: Testbed, made: dict[str, Any]) -> None:
        body = b'{"jobs": []}'
        headers = testbed.signed("POST", "/v1/jobs", body, "other")
        answer = testbed.send("POST", "/v1/jobs", headers=headers, content=body)
        assert answer.json()["watch"] == []
        assert report(testbed) == [link(testbed, made).job_id]

    def test_who_was_looked_at_lately_comes_last(self, testbed: Testbed, made: dict[str, Any]) -> None:
        for number in ("18", "19"):
            submit(testbed, number)
        report(testbed, job("17"))
        testbed.clock.now += INTERVAL_SECONDS
        assert report(testbed, job("18")) == ["19", link(testbed, made).job_id, "18"]

    def test_only_jobs_that_cannot_speak_for_themselves_are_watched(
        self, testbed: Testbed, ready: dict[str, Any]
    ) -> None:
        testbed.create()
        starting, ended = submit(testbed, "18"), submit(testbed, "19")
        testbed.claim(starting)
        testbed.agent("POST", f"/v1/links/{ended['name']}/cancel", {"user": "alice"})
        assert report(testbed) == ["18"]
        testbed.clock.now += 91
        assert sorted(report(testbed)) == [link(testbed, ready).job_id, "18"]

    def test_a_number_that_several_links_bear_is_asked_about_once(self, testbed: Testbed, made: dict[str, Any]) -> None:
        submit(testbed, link(testbed, made).job_id, "bob")
        assert report(testbed) == ["17"]

    def test_the_list_is_bounded(self, testbed: Testbed, made: dict[str, Any]) -> None:
        submit(testbed, "18")
        found = JobStore(testbed.database).watched("demo", testbed.clock(), 1)
        assert found in ([link(testbed, made).job_id], ["18"])
