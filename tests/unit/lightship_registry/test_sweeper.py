from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from lightship_registry import sweeper
from lightship_registry.sweeper import Sweeper
from unit.lightship_registry.world import Hands, World, notebook


@pytest.fixture
def ready(world: World, tmp_path: Path) -> dict[str, Any]:
    made = world.create(seconds=86400)
    with notebook(world.claim(made).server_context(tmp_path)) as port:
        world.job(made, "target", {"port": port})
    return made


def test_a_start_spares_silent_links_for_one_lease(world: World, ready: dict[str, Any]) -> None:
    ticks = Hands()
    world.clock.now += 20_000  # the host was down
    sweeping = Sweeper(world.links, ticks)
    sweeping.sweep()
    assert world.status(ready)["state"] == "ready"
    assert world.routes == {}, "no heartbeat, no route"
    for hands in (world.clock, ticks):
        hands.now += 91
    sweeping.sweep()
    assert world.status(ready)["state"] == "ended"


def test_a_jump_of_the_clock_ends_nothing(
    world: World, ready: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    ticks = Hands()
    sweeping = Sweeper(world.links, ticks)
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


def test_old_nonces_go(world: World) -> None:
    headers = world.signed("GET", "/v1/ping", b"")
    world.send("GET", "/v1/ping", headers=headers)
    rows = "SELECT count(*) FROM nonces"
    with world.engine.connect() as connection:
        assert connection.exec_driver_sql(rows).scalar() == 1
        world.clock.now += 61
        Sweeper(world.links).sweep()
        assert connection.exec_driver_sql(rows).scalar() == 1, "it could still be replayed"
        world.clock.now += 60
        Sweeper(world.links).sweep()
        assert connection.exec_driver_sql(rows).scalar() == 0


@pytest.mark.parametrize("error", [OSError("disk full"), ZeroDivisionError()])
def test_trouble_does_not_stop_the_sweeper(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    monkeypatch.setattr(sweeper, "SWEEP_SECONDS", 0.01)
    rounds = []

    def reconcile() -> None:
        rounds.append(1)
        raise error

    monkeypatch.setattr(world.links, "reconcile", reconcile)

    async def go() -> None:
        running = asyncio.create_task(Sweeper(world.links).run())
        while len(rounds) < 3:
            await asyncio.sleep(0.01)
        running.cancel()

    asyncio.run(go())
    assert "sweep:" in caplog.text
