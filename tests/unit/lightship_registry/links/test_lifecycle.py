from __future__ import annotations

from typing import Any

from unit.lightship_registry.world import World, both_databases

pytestmark = both_databases


def test_expiry_before_and_after_the_claim(world: World) -> None:
    made = world.create(seconds=1800)
    assert made["expires"] == int(world.clock()) + 168 * 3600
    world.clock.now += 1000
    assert world.claim(made).claimed["expires"] == int(world.clock()) + 1800
    assert world.status(made)["expires"] == int(world.clock()) + 1800


def test_the_owner_is_told_when_a_notebook_was_ready_and_when_it_ended(world: World, ready: dict[str, Any]) -> None:
    began = int(world.clock())
    assert (world.status(ready)["ready"], world.status(ready)["ended"]) == (began, 0)
    world.clock.now += 700
    world.agent("POST", f"/v1/links/{ready['name']}/cancel", {"user": "alice", "reason": "enough"})
    assert (world.status(ready)["ready"], world.status(ready)["ended"]) == (began, began + 700)


def test_a_link_that_never_was_ready_ends_without_a_time_of_that(world: World) -> None:
    made = world.create()
    world.agent("POST", f"/v1/links/{made['name']}/cancel", {"user": "alice", "reason": "enough"})
    assert (world.status(made)["ready"], world.status(made)["ended"]) == (0, int(world.clock()))


def test_cancel_closes_the_route(world: World, ready: dict[str, Any]) -> None:
    world.agent("POST", f"/v1/links/{ready['name']}/cancel", {"user": "alice", "reason": ""})
    assert world.routes == {}
    assert world.status(ready)["reason"] == "Cancelled by the user."
