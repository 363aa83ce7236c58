from __future__ import annotations

from typing import Any

from lightship_registry.pages import waiting
from unit.lightship_registry.world import World


def state(world: World, made: dict[str, Any], **columns: object) -> dict[str, str]:
    if columns:
        world.change(made, **columns)
    link = world.store.find(made["name"])
    assert link
    return waiting.state_of(link, world.clock())


def test_a_queued_job_says_why_and_until_when_it_waits(world: World) -> None:
    made = world.create()
    now = world.clock.now
    world.clock.now += 300
    said = state(world, made, job_id="4711", job_state="queued", job_reason="Nodes are busy", job_start=now + 1800)
    assert (said["step"], said["reason"], said["job"]) == ("1", "Nodes are busy", "4711")
    assert (said["waited"], said["start_ahead"]) == ("5 minutes", "in 25 minutes")
    assert said["start"].endswith("Z")
    assert said["start_text"].endswith(" UTC")


def test_what_the_scheduler_says_changes_the_heading(world: World) -> None:
    made = world.create()
    headings = [state(world, made, job_state=word)["heading"] for word in ("", "held", "running", "ended")]
    assert len(set(headings)) == 4
    assert state(world, made, job_state="queued")["heading"] == headings[0]
    assert state(world, made, job_state="running")["step"] == "2"


def test_a_job_that_starts_waits_for_nothing_more(world: World) -> None:
    made = world.create()
    said = state(world, made, state="starting", job_reason="Nodes are busy", job_start=world.clock() + 60)
    assert (said["step"], said["reason"], said["start"]) == ("2", "", "")


def test_an_old_word_of_the_scheduler_is_called_old(world: World) -> None:
    made = world.create()
    assert state(world, made, job_seen_at=world.clock())["heard"] == ""
    world.clock.now += 600
    assert state(world, made)["heard"] == "10 minutes ago"


def test_a_notebook_whose_node_is_out_of_reach_is_not_called_ready(world: World) -> None:
    made = world.create()
    ready = state(world, made, state="ready", target="https://127.0.0.1:1", lease_until=world.clock() + 5)
    world.clock.now += 6
    assert state(world, made)["heading"] != ready["heading"]


def test_a_notebook_that_ran_is_not_said_to_have_waited_since_it_was_asked_for(world: World) -> None:
    made = world.create()
    world.clock.now += 4 * 3600
    assert state(world, made)["waited"] == "4 hours"
    assert state(world, made, state="ready", ready_at=world.clock() - 3600)["waited"] == ""
