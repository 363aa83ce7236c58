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
from unit.lightship_registry.testbed import Testbed, build_testbed

TARGET = "10.1.2.3:4567"
OVER = Ending(Cause.STOPPED, "over")


def published(testbed: Testbed, user: str = "alice", target: str = TARGET) -> dict[str, Any]:
    made = testbed.create(user, seconds=7200)
    testbed.claim(made)
    testbed.publisher.publish(testbed.links.of_secret(made["name"], made["secret"]), target)
    return made


def orders(testbed: Testbed) -> dict[str, str]:
    return {path.name: path.read_text() for path in testbed.settings.folders.cut_dir.iterdir()}


def test_an_ended_links_connections_are_cut(testbed: Testbed) -> None:
    made = published(testbed)
    assert orders(testbed) == {}
    testbed.job(made, "end", {"cause": "stopped"})
    assert orders(testbed) == {made["name"]: f"{TARGET}\n"}


def test_a_cancelled_and_an_overdue_and_a_silent_one_too(testbed: Testbed) -> None:
    cancelled, silent, overdue = (published(testbed, target=f"10.1.2.3:{port}") for port in (4001, 4002, 4003))
    testbed.agent("POST", f"/v1/links/{cancelled['name']}/cancel", {"user": "alice", "reason": ""})
    assert orders(testbed).keys() == {cancelled["name"]}
    testbed.clock.now += 3600
    testbed.job(overdue, "heartbeat")
    testbed.clock.now += 100
    testbed.reconciler.end_due(spare_silent=False)
    assert orders(testbed).keys() == {cancelled["name"], silent["name"]}
    testbed.clock.now += 7200
    testbed.reconciler.end_due(spare_silent=False)
    assert orders(testbed).keys() == {cancelled["name"], silent["name"], overdue["name"]}


def test_a_missed_lease_alone_cuts_nothing(testbed: Testbed) -> None:
    published(testbed)
    testbed.clock.now += 100
    testbed.reconciler.end_due(spare_silent=False)
    testbed.reconciler.reconcile(spare_silent=False)
    assert testbed.routes == {}
    assert orders(testbed) == {}


def test_a_link_without_a_target_needs_no_cut(testbed: Testbed) -> None:
    made = testbed.create()
    testbed.links.end(testbed.links.of_secret(made["name"], made["secret"]), OVER)
    assert orders(testbed) == {}


def test_the_route_is_closed_before_the_cut_is_ordered(testbed: Testbed, monkeypatch: pytest.MonkeyPatch) -> None:
    made = published(testbed)
    seen: list[dict[str, str]] = []
    monkeypatch.setattr("lightship_registry.links.cuts.Cuts.order", lambda *_: seen.append(testbed.routes))
    testbed.job(made, "end")
    assert seen == [{}]


def test_ending_it_again_cuts_nothing_again(testbed: Testbed) -> None:
    made = published(testbed)
    testbed.job(made, "end")
    (testbed.settings.folders.cut_dir / made["name"]).unlink()
    testbed.job(made, "end")
    assert orders(testbed) == {}


def test_a_crash_between_the_end_and_the_cut_is_made_good(testbed: Testbed) -> None:
    made = published(testbed)
    testbed.store.end(made["name"], OVER, testbed.clock())
    testbed.reconciler.reconcile(spare_silent=False)
    assert orders(testbed) == {made["name"]: f"{TARGET}\n"}


def test_a_stray_route_of_a_link_that_ended_long_ago_cuts_nothing(testbed: Testbed) -> None:
    made = published(testbed)
    testbed.store.end(made["name"], OVER, testbed.clock())
    # By now the target may be another link's.
    testbed.clock.now += 100
    testbed.reconciler.reconcile(spare_silent=False)
    assert testbed.routes == {}
    assert orders(testbed) == {}


def test_the_order_that_cannot_be_left_ends_the_link_all_the_same(
    testbed: Testbed, caplog: pytest.LogCaptureFixture
) -> None:
    made = published(testbed)
    shutil.rmtree(testbed.settings.folders.cut_dir)
    assert testbed.job(made, "end").json()["state"] == "ended"
    assert "cannot be cut" in caplog.text
    assert testbed.routes == {}


def test_a_target_rests_until_no_order_can_name_it_any_more(tmp_path: Path) -> None:
    testbed = build_testbed(tmp_path, target_rest_seconds=0)
    testbed.job(published(testbed), "end")
    testbed.clock.now += REST_SECONDS - 1
    with pytest.raises(RegistryError, match="until lately"):
        published(testbed, "bob")
    testbed.clock.now += 2
    published(testbed, "bob")


def test_a_restart_cuts_nothing(testbed: Testbed) -> None:
    published(testbed)
    build_links(testbed.settings, testbed.database, testbed.clock).reconciler.restore()
    assert orders(testbed) == {}
