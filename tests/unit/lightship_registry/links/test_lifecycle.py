from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from lightship_registry.core.errors import RegistryError
from lightship_registry.core.records import Cause, Ending
from lightship_registry.links import names
from lightship_registry.links.lifecycle import Links
from unit.lightship_registry.testbed import NODE, Testbed, both_databases, notebook

pytestmark = both_databases


@pytest.fixture
def ready(testbed: Testbed, tmp_path: Path) -> dict[str, Any]:
    made = testbed.create(seconds=7200)
    with notebook(testbed.claim(made).server_context(tmp_path)) as port:
        assert testbed.job(made, "target", {"port": port}).status_code == 200
    return made


def test_a_name_that_was_given_is_drawn_again(testbed: Testbed, monkeypatch: pytest.MonkeyPatch) -> None:
    draws = iter(["one-two-three", "one-two-three", "four-five-six"])
    monkeypatch.setattr(names, "new_name", lambda _series: next(draws))
    assert [testbed.create()["name"] for _ in range(2)] == ["one-two-three", "four-five-six"]


def test_running_out_of_names_is_an_error(testbed: Testbed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "new_name", lambda _series: "one-two-three")
    testbed.create()
    answer = testbed.agent("POST", "/v1/links", {"user": "alice", "seconds": 60})
    assert (answer.status_code, answer.json()["code"]) == (500, "registry-error")


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


def test_routes_come_back_after_a_reboot(testbed: Testbed, ready: dict[str, Any]) -> None:
    routes = testbed.routes
    (testbed.settings.folders.routes_dir / ready["name"]).unlink()
    (testbed.settings.folders.routes_dir / "left-over-file").write_text("x")
    Links(testbed.settings, testbed.store, testbed.clock).restore()
    assert testbed.routes == routes


def test_route_without_lease_comes_back_with_a_heartbeat_only(testbed: Testbed, ready: dict[str, Any]) -> None:
    routes = testbed.routes
    testbed.clock.now += 100
    testbed.links.end_due(spare_silent=True)
    testbed.links.reconcile(spare_silent=False)
    assert testbed.routes == {}
    assert testbed.job(ready, "heartbeat").json()["state"] == "ready"
    testbed.links.reconcile(spare_silent=False)
    assert testbed.routes == routes


def test_silent_link_ends(testbed: Testbed, ready: dict[str, Any]) -> None:
    testbed.clock.now += 89
    testbed.links.end_due(spare_silent=False)
    assert testbed.routes
    testbed.clock.now += 2
    testbed.links.end_due(spare_silent=False)
    testbed.links.reconcile(spare_silent=False)
    assert testbed.routes == {}
    assert testbed.status(ready)["state"] == "ready", "an outage of some minutes ended a notebook for good"
    testbed.clock.now += 3600
    testbed.links.end_due(spare_silent=False)
    assert testbed.status(ready)["state"] == "ended"
    assert "silent" in testbed.status(ready)["reason"]


def test_heartbeat_after_an_outage_opens_the_route_again(testbed: Testbed, ready: dict[str, Any]) -> None:
    routes = testbed.routes
    testbed.clock.now += 1500
    testbed.links.end_due(spare_silent=False)
    testbed.links.reconcile(spare_silent=False)
    assert testbed.routes == {}
    assert testbed.job(ready, "heartbeat").status_code == 200
    testbed.links.reconcile(spare_silent=False)
    assert testbed.routes == routes


def test_time_over(testbed: Testbed, ready: dict[str, Any]) -> None:
    testbed.clock.now += 7200
    assert testbed.job(ready, "heartbeat").status_code == 410
    testbed.links.end_due(spare_silent=True)
    assert testbed.routes == {}
    assert "time" in testbed.status(ready)["reason"]


def test_job_that_never_starts(testbed: Testbed) -> None:
    made = testbed.create()
    testbed.clock.now += 168 * 3600
    assert testbed.job(made, "claim", {"csr": "x"}).status_code == 422
    testbed.links.end_due(spare_silent=True)
    assert testbed.status(made)["state"] == "ended"


def test_cancel_closes_the_route(testbed: Testbed, ready: dict[str, Any]) -> None:
    testbed.agent("POST", f"/v1/links/{ready['name']}/cancel", {"user": "alice", "reason": ""})
    assert testbed.routes == {}
    assert testbed.status(ready)["reason"] == "Cancelled by the user."


def test_link_that_ends_during_its_probe_gets_no_route(testbed: Testbed) -> None:
    made = testbed.create()
    testbed.claim(made)
    link = testbed.links.of_secret(made["name"], made["secret"])
    testbed.links.end(link, Ending(Cause.CANCELLED, "cancelled"))
    with pytest.raises(RegistryError) as caught:
        testbed.links.publish(link, "10.0.0.1:4000")
    assert caught.value.code == "ended"
    assert testbed.routes == {}


def test_route_that_cannot_be_written_is_tried_again(testbed: Testbed, ready: dict[str, Any]) -> None:
    folder = testbed.settings.folders.routes_dir
    (target,) = testbed.routes.values()
    (folder / ready["name"]).unlink()
    folder.rmdir()
    link = testbed.links.of_secret(ready["name"], ready["secret"])
    with pytest.raises(FileNotFoundError):
        testbed.links.publish(link, target.removeprefix("https://").strip())
    folder.mkdir()
    testbed.links.reconcile(spare_silent=False)
    assert testbed.routes == {ready["name"]: target}


def test_connection_kept_by_the_first_owner_keeps_the_target(testbed: Testbed, tmp_path: Path) -> None:
    (tmp_path / "bob").mkdir()
    first, second = testbed.create(), testbed.create("bob")
    with notebook(testbed.claim(first).server_context(tmp_path)) as port:
        testbed.job(first, "target", {"port": port})
        # As the web server's, for a request that does not end; the listener goes, the connection stays.
        kept = socket.create_connection((NODE, port))
    testbed.job(first, "end")
    testbed.clock.now += 100
    with kept, notebook(testbed.claim(second).server_context(tmp_path / "bob"), port=port):
        answer = testbed.job(second, "target", {"port": port})
        assert (answer.status_code, answer.json()["code"]) == (409, "target-taken")
        kept.close()
        assert testbed.job(second, "target", {"port": port}).status_code == 200
