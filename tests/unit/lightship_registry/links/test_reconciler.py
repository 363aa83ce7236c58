from __future__ import annotations

from typing import Any

import pytest

from lightship_registry.links.parts import build_links
from unit.lightship_registry.testbed import Testbed, both_databases

pytestmark = both_databases


def test_routes_come_back_after_a_reboot(testbed: Testbed, ready: dict[str, Any]) -> None:
    routes = testbed.routes
    (testbed.settings.folders.routes_dir / ready["name"]).unlink()
    (testbed.settings.folders.routes_dir / "left-over-file").write_text("x")
    build_links(testbed.settings, testbed.database, testbed.clock).reconciler.restore()
    assert testbed.routes == routes


def test_route_without_lease_comes_back_with_a_heartbeat_only(testbed: Testbed, ready: dict[str, Any]) -> None:
    routes = testbed.routes
    testbed.clock.now += 100
    testbed.reconciler.end_due(spare_silent=True)
    testbed.reconciler.reconcile(spare_silent=False)
    assert testbed.routes == {}
    assert testbed.job(ready, "heartbeat").json()["state"] == "ready"
    testbed.reconciler.reconcile(spare_silent=False)
    assert testbed.routes == routes


def test_silent_link_ends(testbed: Testbed, ready: dict[str, Any]) -> None:
    testbed.clock.now += 89
    testbed.reconciler.end_due(spare_silent=False)
    assert testbed.routes
    testbed.clock.now += 2
    testbed.reconciler.end_due(spare_silent=False)
    testbed.reconciler.reconcile(spare_silent=False)
    assert testbed.routes == {}
    assert testbed.status(ready)["state"] == "ready", "an outage of some minutes ended a notebook for good"
    testbed.clock.now += 3600
    testbed.reconciler.end_due(spare_silent=False)
    assert testbed.status(ready)["state"] == "ended"
    assert "silent" in testbed.status(ready)["reason"]


def test_heartbeat_after_an_outage_opens_the_route_again(testbed: Testbed, ready: dict[str, Any]) -> None:
    routes = testbed.routes
    testbed.clock.now += 1500
    testbed.reconciler.end_due(spare_silent=False)
    testbed.reconciler.reconcile(spare_silent=False)
    assert testbed.routes == {}
    assert testbed.job(ready, "heartbeat").status_code == 200
    testbed.reconciler.reconcile(spare_silent=False)
    assert testbed.routes == routes


def test_time_over(testbed: Testbed, ready: dict[str, Any]) -> None:
    testbed.clock.now += 7200
    assert testbed.job(ready, "heartbeat").status_code == 410
    testbed.reconciler.end_due(spare_silent=True)
    assert testbed.routes == {}
    assert "time" in testbed.status(ready)["reason"]


def test_job_that_never_starts(testbed: Testbed) -> None:
    made = testbed.create()
    testbed.clock.now += 168 * 3600
    assert testbed.job(made, "claim", {"csr": "x"}).status_code == 422
    testbed.reconciler.end_due(spare_silent=True)
    assert testbed.status(made)["state"] == "ended"


def test_a_damaged_row_does_not_keep_the_others_from_being_ended(testbed: Testbed, ready: dict[str, Any]) -> None:
    damaged = testbed.create("bob")
    testbed.change(damaged, api="v?")
    testbed.clock.now += 169 * 3600
    testbed.reconciler.end_due(spare_silent=False)
    testbed.reconciler.reconcile(spare_silent=False)
    assert testbed.routes == {}
    assert testbed.status(ready)["state"] == "ended"
    row = testbed.store.find(damaged["name"])
    assert row is not None
    assert row.state == "ended"


@pytest.mark.parametrize(
    "damage",
    [
        {"target": "10.1.2.\ufffd:4567"},
        {"target": "10.1.2.3:4567\nhttp://10.1.2.4:1"},
        {"target": "10.1.2.3"},
        {"target": ""},
        {"target": "node17:4567"},
        {"name": "../x"},
        {"name": "../cut/one-two-three"},
        {"name": ""},
        {"name": "one-two-three\n"},
    ],
)
def test_the_route_of_a_damaged_row_stays_closed_and_the_others_open(
    testbed: Testbed, ready: dict[str, Any], damage: dict[str, str]
) -> None:
    routes, folder = testbed.routes, testbed.settings.folders.routes_dir
    now = testbed.clock()
    damaged = testbed.create("bob")
    columns = {"state": "ready", "target": "10.1.2.3:4567", "lease_until": now + 90, "expires_at": now + 1800}
    testbed.change(damaged, **{**columns, **damage})
    there = sorted(path.name for path in folder.parent.iterdir())

    # At a start, at each round, and when the doctor compares.
    testbed.reconciler.restore()
    testbed.reconciler.reconcile(spare_silent=True)
    testbed.clock.now += 100
    testbed.reconciler.reconcile(spare_silent=True)
    assert testbed.reconciler.differing_routes() == []
    assert testbed.routes == routes

    # Its end comes, and neither it nor its cut touches a file that is not the link's.
    kept = folder.parent / "x"
    kept.write_text("not a route")
    testbed.clock.now += 7200
    testbed.reconciler.end_due(spare_silent=True)
    testbed.reconciler.reconcile(spare_silent=True)
    assert testbed.routes == {}
    assert kept.read_text() == "not a route"
    assert [path.name for path in testbed.settings.folders.cut_dir.iterdir()] == [ready["name"]]
    kept.unlink()
    assert sorted(path.name for path in folder.parent.iterdir()) == there
