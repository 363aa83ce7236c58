"""What a cluster's scheduler says of jobs: kept for the pages, and believed when a job can no longer speak."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lightship_registry.core.records import Link
from lightship_registry.links.jobs import INTERVAL_SECONDS, MOST_JOBS
from lightship_registry.store.jobs import JobStore
from unit.lightship_registry.world import World, notebook


def report(world: World, *jobs: dict[str, Any]) -> list[str]:
    answer = world.agent("POST", "/v1/jobs", {"jobs": list(jobs)})
    assert answer.status_code == 200, answer.text
    assert answer.json()["interval"] == INTERVAL_SECONDS
    watch: list[str] = answer.json()["watch"]
    return watch


def job(job_id: Any = "17", state: Any = "queued", **more: Any) -> dict[str, Any]:
    return {"job_id": job_id, "state": state, "reason": "", "start": 0, **more}


def submit(world: World, job_id: str = "17", user: str = "alice") -> dict[str, Any]:
    made = world.create(user, 7200)
    answer = world.agent("POST", f"/v1/links/{made['name']}/job", {"user": user, "job_id": job_id})
    assert answer.status_code == 200, answer.text
    return made


def link(world: World, made: dict[str, Any]) -> Link:
    found = world.store.find(made["name"])
    assert found is not None
    return found


def ending(world: World, made: dict[str, Any]) -> tuple[str, str, str]:
    found = link(world, made)
    return found.state, found.cause, found.reason


@pytest.fixture
def made(world: World) -> dict[str, Any]:
    return submit(world)


@pytest.fixture
def ready(world: World, made: dict[str, Any], tmp_path: Path) -> dict[str, Any]:
    with notebook(world.claim(made).server_context(tmp_path)) as port:
        assert world.job(made, "target", {"port": port}).status_code == 200
    return made


class TestReport:
    def test_what_the_scheduler_says_is_kept(self, world: World, made: dict[str, Any]) -> None:
        report(world, job(reason="Other jobs come first.", start=1_800_000_000))
        found = link(world, made)
        assert (found.job_state, found.job_reason, found.job_start) == ("queued", "Other jobs come first.", 1.8e9)
        assert found.job_seen_at == world.clock()

        report(world, job(state="running"))
        found = link(world, made)
        assert (found.job_state, found.job_reason, found.job_start) == ("running", "", 0.0)

    def test_another_clusters_job_of_the_same_number_is_another(self, world: World, made: dict[str, Any]) -> None:
        body = b'{"jobs": [{"job_id": "17", "state": "ended", "cause": "cancelled"}]}'
        headers = world.signed("POST", "/v1/jobs", body, "other")
        assert world.send("POST", "/v1/jobs", headers=headers, content=body).status_code == 200
        assert link(world, made).job_seen_at == 0.0

    def test_another_users_job_is_not_shown(self, world: World, made: dict[str, Any]) -> None:
        report(world, job(user="bob", reason="Other jobs come first."), job(user="bob", state="ended", cause="failed"))
        assert link(world, made).job_state == ""
        report(world, job(user="alice"))
        assert link(world, made).job_state == "queued"

    def test_an_ended_link_is_left_alone(self, world: World, made: dict[str, Any]) -> None:
        world.agent("POST", f"/v1/links/{made['name']}/cancel", {"user": "alice"})
        report(world, job(state="ended", cause="failed"))
        found = link(world, made)
        assert (found.cause, found.job_state, found.job_seen_at) == ("cancelled", "", 0.0)

    def test_it_needs_a_signature(self, world: World) -> None:
        assert world.send("POST", "/v1/jobs", json={"jobs": []}).status_code == 403

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
    def test_a_wrong_report_changes_nothing(self, world: World, made: dict[str, Any], data: Any) -> None:
        answer = world.agent("POST", "/v1/jobs", data)
        # A long list may be too large before it is too long.
        assert answer.status_code in {413, 422}, answer.text
        assert link(world, made).job_seen_at == 0.0


class TestEnd:
    @pytest.mark.parametrize("cause", ["cancelled", "failed", "node-failed", "out-of-memory", "time-limit", "ended"])
    def test_a_job_that_ended_in_the_queue_ends_its_link(self, world: World, made: dict[str, Any], cause: str) -> None:
        report(world, job(state="ended", cause=cause, reason="The job was cancelled."))
        assert ending(world, made) == ("ended", cause, "The job was cancelled.")

    def test_a_job_that_was_listed_and_no_longer_is_ends_its_link(self, world: World, made: dict[str, Any]) -> None:
        report(world, job())
        report(world, job(state="ended"))
        assert ending(world, made) == ("ended", "ended", "The job is over.")

    def test_a_job_that_was_never_listed_may_be_hidden_or_too_new(self, world: World, made: dict[str, Any]) -> None:
        for _ in range(3):
            report(world, job(state="ended"))
        found = link(world, made)
        assert (found.state, found.job_state, found.job_seen_at) == ("waiting", "", world.clock())

    def test_a_job_that_died_while_jupyter_started_ends_its_link(self, world: World, made: dict[str, Any]) -> None:
        world.claim(made)
        report(world, job(state="running"), job(state="ended"))
        assert link(world, made).state == "starting", "the job itself says why, if it can"
        report(world, job(state="ended", cause="out-of-memory", reason="Too much."))
        assert ending(world, made) == ("ended", "out-of-memory", "Too much.")

    def test_a_notebook_that_sends_heartbeats_lives(self, world: World, ready: dict[str, Any]) -> None:
        world.clock.now += 60
        report(world, job(state="ended", cause="node-failed"))
        assert link(world, ready).state == "ready"
        assert world.routes

    def test_a_silent_notebook_whose_job_ended_ends_with_its_cause(self, world: World, ready: dict[str, Any]) -> None:
        world.clock.now += 91
        report(world, job(state="running"), job(state="ended"))
        assert link(world, ready).state == "ready", "nobody said that the job ended"
        report(world, job(state="ended", cause="node-failed", reason="The compute node failed."))
        assert ending(world, ready) == ("ended", "node-failed", "The compute node failed.")
        assert world.routes == {}

    def test_the_jobs_own_word_comes_first(self, world: World, ready: dict[str, Any]) -> None:
        world.job(ready, "end", {"cause": "stopped", "reason": "Jupyter was shut down."})
        world.clock.now += 91
        report(world, job(state="ended", cause="ended"))
        assert ending(world, ready) == ("ended", "stopped", "Jupyter was shut down.")


class TestWatch:
    def test_one_agent_at_a_time_has_the_list(self, world: World, made: dict[str, Any]) -> None:
        assert report(world) == ["17"]
        assert report(world) == []
        world.clock.now += INTERVAL_SECONDS - 1
        assert report(world) == []
        world.clock.now += 1
        assert report(world) == ["17"]
        assert link(world, made).job_seen_at == 0.0

    def test_a_clock_that_is_set_back_keeps_the_list_from_nobody(self, world: World, made: dict[str, Any]) -> None:
        report(world)
        world.clock.now -= 5
        assert report(world) == [link(world, made).job_id]

    def test_each_cluster_has_a_list_of_its_own(self, world: World, made: dict[str, Any]) -> None:
        body = b'{"jobs": []}'
        headers = world.signed("POST", "/v1/jobs", body, "other")
        answer = world.send("POST", "/v1/jobs", headers=headers, content=body)
        assert answer.json()["watch"] == []
        assert report(world) == [link(world, made).job_id]

    def test_who_was_looked_at_lately_comes_last(self, world: World, made: dict[str, Any]) -> None:
        for number in ("18", "19"):
            submit(world, number)
        report(world, job("17"))
        world.clock.now += INTERVAL_SECONDS
        assert report(world, job("18")) == ["19", link(world, made).job_id, "18"]

    def test_only_jobs_that_cannot_speak_for_themselves_are_watched(self, world: World, ready: dict[str, Any]) -> None:
        world.create()
        starting, ended = submit(world, "18"), submit(world, "19")
        world.claim(starting)
        world.agent("POST", f"/v1/links/{ended['name']}/cancel", {"user": "alice"})
        assert report(world) == ["18"]
        world.clock.now += 91
        assert sorted(report(world)) == [link(world, ready).job_id, "18"]

    def test_a_number_that_several_links_bear_is_asked_about_once(self, world: World, made: dict[str, Any]) -> None:
        submit(world, link(world, made).job_id, "bob")
        assert report(world) == ["17"]

    def test_the_list_is_bounded(self, world: World, made: dict[str, Any]) -> None:
        submit(world, "18")
        found = JobStore(world.database).watched("demo", world.clock(), 1)
        assert found in ([link(world, made).job_id], ["18"])
