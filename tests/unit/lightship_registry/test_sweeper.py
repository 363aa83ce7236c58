from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from lightship_registry import sweeper
from unit.lightship_registry.testbed import Hands, Testbed, notebook


@pytest.fixture
def ready(testbed: Testbed, tmp_path: Path) -> dict[str, Any]:
    made = testbed.create(seconds=86400)
    with notebook(testbed.claim(made).server_context(tmp_path)) as port:
        testbed.job(made, "target", {"port": port})
    return made


def test_a_start_spares_silent_links_for_one_lease(testbed: Testbed, ready: dict[str, Any]) -> None:
    ticks = Hands()
    testbed.clock.now += 20_000  # the service was down
    sweeping = testbed.sweeper(ticks)
    testbed.reconciler.restore()
    sweeping.sweep()
    assert testbed.status(ready)["state"] == "ready"
    assert set(testbed.routes) == {ready["name"]}, "nobody is cut off because heartbeats could not come in"
    for hands in (testbed.clock, ticks):
        hands.now += 91
    sweeping.sweep()
    assert testbed.status(ready)["state"] == "ended"
    assert testbed.routes == {}


def test_after_a_reboot_a_route_comes_back_with_the_first_heartbeat(testbed: Testbed, ready: dict[str, Any]) -> None:
    testbed.clock.now += 20_000
    testbed.parts.routes.remove(ready["name"])  # what was in memory is gone
    sweeping = testbed.sweeper(Hands())
    testbed.reconciler.restore()
    sweeping.sweep()
    assert testbed.routes == {}, "no heartbeat, no route"
    testbed.job(ready, "heartbeat")
    sweeping.sweep()
    assert set(testbed.routes) == {ready["name"]}


def test_a_store_that_failed_closes_no_route_before_heartbeats_could_come_in_again(
    testbed: Testbed, ready: dict[str, Any]
) -> None:
    ticks = Hands()
    sweeping = testbed.sweeper(ticks)
    for hands in (testbed.clock, ticks):
        hands.now += 1000
    with testbed.engine.connect() as connection, pytest.raises(OperationalError):
        connection.exec_driver_sql("SELECT * FROM no_such_table")
    sweeping.sweep()
    assert set(testbed.routes) == {ready["name"]}
    for hands in (testbed.clock, ticks):
        hands.now += 91
    sweeping.sweep()
    assert testbed.routes == {}, "it had a whole lease's time"


def test_a_jump_of_the_clock_ends_nothing(
    testbed: Testbed, ready: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    ticks = Hands()
    sweeping = testbed.sweeper(ticks)
    for hands in (testbed.clock, ticks):
        hands.now += 1000
    testbed.job(ready, "heartbeat")
    sweeping.sweep()
    assert "jumped" not in caplog.text
    testbed.clock.now += 300
    ticks.now += 5
    sweeping.sweep()
    assert "jumped by 295 seconds" in caplog.text
    assert testbed.status(ready)["state"] == "ready"
    assert set(testbed.routes) == {ready["name"]}


def test_old_nonces_go(testbed: Testbed) -> None:
    headers = testbed.signed("GET", "/v1/ping", b"")
    testbed.send("GET", "/v1/ping", headers=headers)
    rows = "SELECT count(*) FROM nonces"
    with testbed.engine.connect() as connection:
        assert connection.exec_driver_sql(rows).scalar() == 1
        testbed.clock.now += 61
        testbed.sweeper().sweep()
        assert connection.exec_driver_sql(rows).scalar() == 1, "it could still be replayed"
        testbed.clock.now += 60
        testbed.sweeper().sweep()
        assert connection.exec_driver_sql(rows).scalar() == 0


@pytest.mark.parametrize("error", [OSError("disk full"), ZeroDivisionError()])
def test_trouble_does_not_stop_the_sweeper(
    testbed: Testbed, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    monkeypatch.setattr(sweeper, "SWEEP_SECONDS", 0.01)
    rounds = []

    def reconcile(*, spare_silent: bool) -> None:  # noqa: ARG001 - as it is called
        rounds.append(1)
        raise error

    monkeypatch.setattr(testbed.reconciler, "reconcile", reconcile)

    async def go() -> None:
        running = asyncio.create_task(testbed.sweeper().run())
        while len(rounds) < 3:
            await asyncio.sleep(0.01)
        running.cancel()

    asyncio.run(go())
    assert "sweep:" in caplog.text
