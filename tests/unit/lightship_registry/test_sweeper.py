from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from lightship_registry import sweeper
from unit.lightship_registry.world import Hands, World, notebook


@pytest.fixture
def ready(world: World, tmp_path: Path) -> dict[str, Any]:
    made = world.create(seconds=86400)
    with notebook(world.claim(made).server_context(tmp_path)) as port:
        world.job(made, "target", {"port": port})
    return made


def test_a_start_spares_silent_links_for_one_lease(world: World, ready: dict[str, Any]) -> None:
    ticks = Hands()
    world.clock.now += 20_000  # the service was down
    sweeping = world.sweeper(ticks)
    world.reconciler.restore()
    sweeping.sweep()
    assert world.status(ready)["state"] == "ready"
    assert set(world.routes) == {ready["name"]}, "nobody is cut off because heartbeats could not come in"
    for hands in (world.clock, ticks):
        hands.now += 91
    sweeping.sweep()
    assert world.status(ready)["state"] == "ended"
    assert world.routes == {}


def test_after_a_reboot_a_route_comes_back_with_the_first_heartbeat(world: World, ready: dict[str, Any]) -> None:
    world.clock.now += 20_000
    world.parts.routes.remove(ready["name"])  # what was in memory is gone
    sweeping = world.sweeper(Hands())
    world.reconciler.restore()
    sweeping.sweep()
    assert world.routes == {}, "no heartbeat, no route"
    world.job(ready, "heartbeat")
    sweeping.sweep()
    assert set(world.routes) == {ready["name"]}


def test_a_store_that_failed_closes_no_route_before_heartbeats_could_come_in_again(
    world: World, ready: dict[str, Any]
) -> None:
    ticks = Hands()
    sweeping = world.sweeper(ticks)
    for hands in (world.clock, ticks):
        hands.now += 1000
    with world.engine.connect() as connection, pytest.raises(OperationalError):
        connection.exec_driver_sql("SELECT * FROM no_such_table")
    sweeping.sweep()
    assert set(world.routes) == {ready["name"]}
    for hands in (world.clock, ticks):
        hands.now += 91
    sweeping.sweep()
    assert world.routes == {}, "it had a whole lease's time"


def test_a_jump_of_the_clock_ends_nothing(
    world: World, ready: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    ticks = Hands()
    sweeping = world.sweeper(ticks)
    for hands in (world.clock, ticks):
        hands.now += 1000
    world.job(ready, "heartbeat")
    sweeping.sweep()
    assert "jumped" not in caplog.text
    world.clock.now += 300
    ticks.now += 5
    sweeping.sweep()
    assert "jumped by 295 seconds" in caplog.text
    assert world.status(ready)["state"] == "ready"
    assert set(world.routes) == {ready["name"]}


def test_old_nonces_go(world: World) -> None:
    headers = world.signed("GET", "/v1/ping", b"")
    world.send("GET", "/v1/ping", headers=headers)
    rows = "SELECT count(*) FROM nonces"
    with world.engine.connect() as connection:
        assert connection.exec_driver_sql(rows).scalar() == 1
        world.clock.now += 61
        world.sweeper().sweep()
        assert connection.exec_driver_sql(rows).scalar() == 1, "it could still be replayed"
        world.clock.now += 60
        world.sweeper().sweep()
        assert connection.exec_driver_sql(rows).scalar() == 0


@pytest.mark.parametrize("error", [OSError("disk full"), ZeroDivisionError()])
def test_trouble_does_not_stop_the_sweeper(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    monkeypatch.setattr(sweeper, "SWEEP_SECONDS", 0.01)
    rounds = []

    def reconcile(*, spare_silent: bool) -> None:  # noqa: ARG001 - as it is called
        rounds.append(1)
        raise error

    monkeypatch.setattr(world.reconciler, "reconcile", reconcile)

    async def go() -> None:
        running = asyncio.create_task(world.sweeper().run())
        while len(rounds) < 3:
            await asyncio.sleep(0.01)
        running.cancel()

    asyncio.run(go())
    assert "sweep:" in caplog.text
