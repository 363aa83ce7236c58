"""When the registry orders that open connections are cut: when a link ends that had a target, and at no other time."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from lightship_registry.core.errors import RegistryError
from lightship_registry.core.records import Cause, Ending
from lightship_registry.links.cuts import REST_SECONDS
from lightship_registry.links.parts import build_links
from unit.lightship_registry.world import World, build_world

TARGET = "10.1.2.3:4567"
OVER = Ending(Cause.STOPPED, "over")


def published(world: World, user: str = "alice", target: str = TARGET) -> dict[str, Any]:
    made = world.create(user, seconds=7200)
    world.claim(made)
    world.publisher.publish(world.links.of_secret(made["name"], made["secret"]), target)
    return made


def orders(world: World) -> dict[str, str]:
    return {path.name: path.read_text() for path in world.settings.folders.cut_dir.iterdir()}


def test_an_ended_links_connections_are_cut(world: World) -> None:
    made = published(world)
    assert orders(world) == {}
    world.job(made, "end", {"cause": "stopped"})
    assert orders(world) == {made["name"]: f"{TARGET}\n"}


def test_a_cancelled_and_an_overdue_and_a_silent_one_too(world: World) -> None:
    cancelled, silent, overdue = (published(world, target=f"10.1.2.3:{port}") for port in (4001, 4002, 4003))
    world.agent("POST", f"/v1/links/{cancelled['name']}/cancel", {"user": "alice", "reason": ""})
    assert orders(world).keys() == {cancelled["name"]}
    world.clock.now += 3600
    world.job(overdue, "heartbeat")
    world.clock.now += 100
    world.reconciler.end_due(spare_silent=False)
    assert orders(world).keys() == {cancelled["name"], silent["name"]}
    world.clock.now += 7200
    world.reconciler.end_due(spare_silent=False)
    assert orders(world).keys() == {cancelled["name"], silent["name"], overdue["name"]}


def test_a_missed_lease_alone_cuts_nothing(world: World) -> None:
    published(world)
    world.clock.now += 100
    world.reconciler.end_due(spare_silent=False)
    world.reconciler.reconcile(spare_silent=False)
    assert world.routes == {}
    assert orders(world) == {}


def test_a_link_without_a_target_needs_no_cut(world: World) -> None:
    made = world.create()
    world.links.end(world.links.of_secret(made["name"], made["secret"]), OVER)
    assert orders(world) == {}


def test_the_route_is_closed_before_the_cut_is_ordered(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    made = published(world)
    seen: list[dict[str, str]] = []
    monkeypatch.setattr("lightship_registry.links.cuts.Cuts.order", lambda *_: seen.append(world.routes))
    world.job(made, "end")
    assert seen == [{}]


def test_ending_it_again_cuts_nothing_again(world: World) -> None:
    made = published(world)
    world.job(made, "end")
    (world.settings.folders.cut_dir / made["name"]).unlink()
    world.job(made, "end")
    assert orders(world) == {}


def test_a_crash_between_the_end_and_the_cut_is_made_good(world: World) -> None:
    made = published(world)
    world.store.end(made["name"], OVER, world.clock())
    world.reconciler.reconcile(spare_silent=False)
    assert orders(world) == {made["name"]: f"{TARGET}\n"}


def test_a_stray_route_of_a_link_that_ended_long_ago_cuts_nothing(world: World) -> None:
    made = published(world)
    world.store.end(made["name"], OVER, world.clock())
    # By now the target may be another link's.
    world.clock.now += 100
    world.reconciler.reconcile(spare_silent=False)
    assert world.routes == {}
    assert orders(world) == {}


def test_the_order_that_cannot_be_left_ends_the_link_all_the_same(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    made = published(world)
    shutil.rmtree(world.settings.folders.cut_dir)
    assert world.job(made, "end").json()["state"] == "ended"
    assert "cannot be cut" in caplog.text
    assert world.routes == {}


def test_a_target_rests_until_no_order_can_name_it_any_more(tmp_path: Path) -> None:
    world = build_world(tmp_path, target_rest_seconds=0)
    world.job(published(world), "end")
    world.clock.now += REST_SECONDS - 1
    with pytest.raises(RegistryError, match="until lately"):
        published(world, "bob")
    world.clock.now += 2
    published(world, "bob")


def test_a_restart_cuts_nothing(world: World) -> None:
    published(world)
    build_links(world.settings, world.database, world.clock).reconciler.restore()
    assert orders(world) == {}
