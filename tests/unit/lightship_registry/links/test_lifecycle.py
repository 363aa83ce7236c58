from __future__ import annotations

from typing import Any

from unit.lightship_registry.testbed import Testbed, both_databases

pytestmark = both_databases


def test_expiry_before_and_after_the_claim(testbed: Testbed) -> None:
    made = testbed.create(seconds=1800)
    assert made["expires"] == int(testbed.clock()) + 168 * 3600
    testbed.clock.now += 1000
    assert testbed.claim(made).claimed["expires"] == int(testbed.clock()) + 1800
    assert testbed.status(made)["expires"] == int(testbed.clock()) + 1800


def test_the_owner_is_told_when_a_notebook_was_ready_and_when_it_ended(testbed: Testbed, ready: dict[str, Any]) -> None:
    began = int(testbed.clock())
    assert (testbed.status(ready)["ready"], testbed.status(ready)["ended"]) == (began, 0)
    testbed.clock.now += 700
    testbed.agent("POST", f"/v1/links/{ready['name']}/cancel", {"user": "alice", "reason": "enough"})
    assert (testbed.status(ready)["ready"], testbed.status(ready)["ended"]) == (began, began + 700)


def test_a_link_that_never_was_ready_ends_without_a_time_of_that(testbed: Testbed) -> None:
    made = testbed.create()
    testbed.agent("POST", f"/v1/links/{made['name']}/cancel", {"user": "alice", "reason": "enough"})
    assert (testbed.status(made)["ready"], testbed.status(made)["ended"]) == (0, int(testbed.clock()))


def test_cancel_closes_the_route(testbed: Testbed, ready: dict[str, Any]) -> None:
    testbed.agent("POST", f"/v1/links/{ready['name']}/cancel", {"user": "alice", "reason": ""})
    assert testbed.routes == {}
    assert testbed.status(ready)["reason"] == "Cancelled by the user."
