from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from lightship_registry.core.errors import RegistryError
from lightship_registry.core.records import Cause, Ending
from lightship_registry.links import names
from lightship_registry.links.lifecycle import Links
from unit.lightship_registry.world import NODE, World, both_databases, notebook

pytestmark = both_databases


@pytest.fixture
def ready(world: World, tmp_path: Path) -> dict[str, Any]:
    made = world.create(seconds=7200)
    with notebook(world.claim(made).server_context(tmp_path)) as port:
        assert world.job(made, "target", {"port": port}).status_code == 200
    return made


def test_a_name_that_was_given_is_drawn_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    draws = iter(["one-two-three", "one-two-three", "four-five-six"])
    monkeypatch.setattr(names, "new_name", lambda _series: next(draws))
    assert [world.create()["name"] for _ in range(2)] == ["one-two-three", "four-five-six"]


def test_running_out_of_names_is_an_error(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "new_name", lambda _series: "one-two-three")
    world.create()
    answer = world.agent("POST", "/v1/links", {"user": "alice", "seconds": 60})
    assert (answer.status_code, answer.json()["code"]) == (500, "registry-error")


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


def test_routes_come_back_after_a_reboot(world: World, ready: dict[str, Any]) -> None:
    routes = world.routes
    (world.settings.folders.routes_dir / ready["name"]).unlink()
    (world.settings.folders.routes_dir / "left-over-file").write_text("x")
    Links(world.settings, world.store, world.clock).restore()
    assert world.routes == routes


def test_route_without_lease_comes_back_with_a_heartbeat_only(world: World, ready: dict[str, Any]) -> None:
    routes = world.routes
    world.clock.now += 100
    world.links.end_due(spare_silent=True)
    world.links.reconcile(spare_silent=False)
    assert world.routes == {}
    assert world.job(ready, "heartbeat").json()["state"] == "ready"
    world.links.reconcile(spare_silent=False)
    assert world.routes == routes


def test_silent_link_ends(world: World, ready: dict[str, Any]) -> None:
    world.clock.now += 89
    world.links.end_due(spare_silent=False)
    assert world.routes
    world.clock.now += 2
    world.links.end_due(spare_silent=False)
    world.links.reconcile(spare_silent=False)
    assert world.routes == {}
    assert world.status(ready)["state"] == "ready", "an outage of some minutes ended a notebook for good"
    world.clock.now += 3600
    world.links.end_due(spare_silent=False)
    assert world.status(ready)["state"] == "ended"
    assert "silent" in world.status(ready)["reason"]


def test_heartbeat_after_an_outage_opens_the_route_again(world: World, ready: dict[str, Any]) -> None:
    routes = world.routes
    world.clock.now += 1500
    world.links.end_due(spare_silent=False)
    world.links.reconcile(spare_silent=False)
    assert world.routes == {}
    assert world.job(ready, "heartbeat").status_code == 200
    world.links.reconcile(spare_silent=False)
    assert world.routes == routes


def test_time_over(world: World, ready: dict[str, Any]) -> None:
    world.clock.now += 7200
    assert world.job(ready, "heartbeat").status_code == 410
    world.links.end_due(spare_silent=True)
    assert world.routes == {}
    assert "time" in world.status(ready)["reason"]


def test_job_that_never_starts(world: World) -> None:
    made = world.create()
    world.clock.now += 168 * 3600
    assert world.job(made, "claim", {"csr": "x"}).status_code == 422
    world.links.end_due(spare_silent=True)
    assert world.status(made)["state"] == "ended"


def test_cancel_closes_the_route(world: World, ready: dict[str, Any]) -> None:
    world.agent("POST", f"/v1/links/{ready['name']}/cancel", {"user": "alice", "reason": ""})
    assert world.routes == {}
    assert world.status(ready)["reason"] == "Cancelled by the user."


def test_link_that_ends_during_its_probe_gets_no_route(world: World) -> None:
    made = world.create()
    world.claim(made)
    link = world.links.of_secret(made["name"], made["secret"])
    world.links.end(link, Ending(Cause.CANCELLED, "cancelled"))
    with pytest.raises(RegistryError) as caught:
        world.links.publish(link, "10.0.0.1:4000")
    assert caught.value.code == "ended"
    assert world.routes == {}


def test_route_that_cannot_be_written_is_tried_again(world: World, ready: dict[str, Any]) -> None:
    folder = world.settings.folders.routes_dir
    (target,) = world.routes.values()
    (folder / ready["name"]).unlink()
    folder.rmdir()
    link = world.links.of_secret(ready["name"], ready["secret"])
    with pytest.raises(FileNotFoundError):
        world.links.publish(link, target.removeprefix("https://").strip())
    folder.mkdir()
    world.links.reconcile(spare_silent=False)
    assert world.routes == {ready["name"]: target}


def test_connection_kept_by_the_first_owner_keeps_the_target(world: World, tmp_path: Path) -> None:
    (tmp_path / "bob").mkdir()
    first, second = world.create(), world.create("bob")
    with notebook(world.claim(first).server_context(tmp_path)) as port:
        world.job(first, "target", {"port": port})
        # As the web server's, for a request that does not end; the listener goes, the connection stays.
        kept = socket.create_connection((NODE, port))
    world.job(first, "end")
    world.clock.now += 100
    with kept, notebook(world.claim(second).server_context(tmp_path / "bob"), port=port):
        answer = world.job(second, "target", {"port": port})
        assert (answer.status_code, answer.json()["code"]) == (409, "target-taken")
        kept.close()
        assert world.job(second, "target", {"port": port}).status_code == 200
