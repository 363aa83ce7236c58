from __future__ import annotations

from typing import Any

from lightship_registry.links.parts import build_links
from unit.lightship_registry.world import World, both_databases

pytestmark = both_databases


def test_routes_come_back_after_a_reboot(world: World, ready: dict[str, Any]) -> None:
    routes = world.routes
    (world.settings.folders.routes_dir / ready["name"]).unlink()
    (world.settings.folders.routes_dir / "left-over-file").write_text("x")
    build_links(world.settings, world.database, world.clock).reconciler.restore()
    assert world.routes == routes


def test_route_without_lease_comes_back_with_a_heartbeat_only(world: World, ready: dict[str, Any]) -> None:
    routes = world.routes
    world.clock.now += 100
    world.reconciler.end_due(spare_silent=True)
    world.reconciler.reconcile(spare_silent=False)
    assert world.routes == {}
    assert world.job(ready, "heartbeat").json()["state"] == "ready"
    world.reconciler.reconcile(spare_silent=False)
    assert world.routes == routes


def test_silent_link_ends(world: World, ready: dict[str, Any]) -> None:
    world.clock.now += 89
    world.reconciler.end_due(spare_silent=False)
    assert world.routes
    world.clock.now += 2
    world.reconciler.end_due(spare_silent=False)
    world.reconciler.reconcile(spare_silent=False)
    assert world.routes == {}
    assert world.status(ready)["state"] == "ready", "an outage of some minutes ended a notebook for good"
    world.clock.now += 3600
    world.reconciler.end_due(spare_silent=False)
    assert world.status(ready)["state"] == "ended"
    assert "silent" in world.status(ready)["reason"]


def test_heartbeat_after_an_outage_opens_the_route_again(world: World, ready: dict[str, Any]) -> None:
    routes = world.routes
    world.clock.now += 1500
    world.reconciler.end_due(spare_silent=False)
    world.reconciler.reconcile(spare_silent=False)
    assert world.routes == {}
    assert world.job(ready, "heartbeat").status_code == 200
    world.reconciler.reconcile(spare_silent=False)
    assert world.routes == routes


def test_time_over(world: World, ready: dict[str, Any]) -> None:
    world.clock.now += 7200
    assert world.job(ready, "heartbeat").status_code == 410
    world.reconciler.end_due(spare_silent=True)
    assert world.routes == {}
    assert "time" in world.status(ready)["reason"]


def test_job_that_never_starts(world: World) -> None:
    made = world.create()
    world.clock.now += 168 * 3600
    assert world.job(made, "claim", {"csr": "x"}).status_code == 422
    world.reconciler.end_due(spare_silent=True)
    assert world.status(made)["state"] == "ended"


def test_a_damaged_row_does_not_keep_the_others_from_being_ended(world: World, ready: dict[str, Any]) -> None:
    damaged = world.create("bob")
    world.change(damaged, api="v?")
    world.clock.now += 169 * 3600
    world.reconciler.end_due(spare_silent=False)
    world.reconciler.reconcile(spare_silent=False)
    assert world.routes == {}
    assert world.status(ready)["state"] == "ended"
    row = world.store.find(damaged["name"])
    assert row is not None
    assert row.state == "ended"
