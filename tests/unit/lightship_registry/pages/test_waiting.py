from __future__ import annotations

from typing import Any

from lightship_registry.pages import waiting
from unit.lightship_registry.testbed import Testbed


def state(testbed: Testbed, made: dict[str, Any], **columns: object) -> dict[str, str]:
    if columns:
        testbed.change(made, **columns)
    link = testbed.store.find(made["name"])
    assert link
    return waiting.state_of(link, testbed.clock())


def test_a_queued_job_says_why_and_until_when_it_waits(testbed: Testbed) -> None:
    made = testbed.create()
    now = testbed.clock.now
    testbed.clock.now += 300
    said = state(testbed, made, job_id="4711", job_state="queued", job_reason="Nodes are busy", job_start=now + 1800)
    assert (said["step"], said["reason"], said["job"]) == ("1", "Nodes are busy", "4711")
    assert (said["waited"], said["start_ahead"]) == ("5 minutes", "in 25 minutes")
    assert said["start"].endswith("Z")
    assert said["start_text"].endswith(" UTC")


def test_what_the_scheduler_says_changes_the_heading(testbed: Testbed) -> None:
    made = testbed.create()
    headings = [state(testbed, made, job_state=word)["heading"] for word in ("", "held", "running", "ended")]
    assert len(set(headings)) == 4
    assert state(testbed, made, job_state="queued")["heading"] == headings[0]
    assert state(testbed, made, job_state="running")["step"] == "2"


def test_a_job_that_starts_waits_for_nothing_more(testbed: Testbed) -> None:
    made = testbed.create()
    said = state(testbed, made, state="starting", job_reason="Nodes are busy", job_start=testbed.clock() + 60)
    assert (said["step"], said["reason"], said["start"]) == ("2", "", "")


def test_an_old_word_of_the_scheduler_is_called_old(testbed: Testbed) -> None:
    made = testbed.create()
    assert state(testbed, made, job_seen_at=testbed.clock())["heard"] == ""
    testbed.clock.now += 600
    assert state(testbed, made)["heard"] == "10 minutes ago"


def test_a_notebook_whose_node_is_out_of_reach_is_not_called_ready(testbed: Testbed) -> None:
    made = testbed.create()
    ready = state(testbed, made, state="ready", target="https://127.0.0.1:1", lease_until=testbed.clock() + 5)
    testbed.clock.now += 6
    assert state(testbed, made)["heading"] != ready["heading"]


def test_a_notebook_that_ran_is_not_said_to_have_waited_since_it_was_asked_for(testbed: Testbed) -> None:
    made = testbed.create()
    testbed.clock.now += 4 * 3600
    assert state(testbed, made)["waited"] == "4 hours"
    assert state(testbed, made, state="ready", ready_at=testbed.clock() - 3600)["waited"] == ""
