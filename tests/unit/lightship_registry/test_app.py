from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from lightship_registry import app
from lightship_registry.core.errors import RegistryError
from unit.lightship_registry.postgres import Cluster
from unit.lightship_registry.satellites import build as build_satellite_testbed
from unit.lightship_registry.testbed import Testbed


def test_refuses_to_start_unprepared(testbed: Testbed) -> None:
    testbed.settings.folders.routes_dir.rmdir()
    with pytest.raises(RegistryError, match="routes"):
        app.build(testbed.settings, testbed.clock)
    testbed.settings.store_file.unlink()
    with pytest.raises(RegistryError, match="prepare"):
        app.build(testbed.settings, testbed.clock)


def test_a_start_without_its_store_is_no_reason_to_let_anybody_wait(
    testbed: Testbed, caplog: pytest.LogCaptureFixture
) -> None:
    with testbed.without_store():
        testbed.app = app.build(testbed.settings, testbed.clock)
        assert "start: unable to open database file" in caplog.text
        answer = testbed.agent("GET", "/v1/ping")
        assert (answer.status_code, answer.json()["code"]) == (500, "registry-error")
        page = testbed.send("GET", "/", headers={"Host": f"keen-otter-mural.{testbed.settings.domain}"})
        assert (page.status_code, "text/html" in page.headers["content-type"]) == (500, True)


def test_a_start_without_its_store_is_repeated_soon(testbed: Testbed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "TROUBLE_SECONDS", 0.0)

    async def told_to_end() -> None:
        told = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, told.set)
        async with running(testbed):
            await asyncio.wait_for(told.wait(), 20)

    with testbed.without_store():
        asyncio.run(told_to_end())
    with pytest.raises(TimeoutError):
        asyncio.run(asyncio.wait_for(told_to_end(), 0.5))


@contextlib.asynccontextmanager
async def running(testbed: Testbed) -> AsyncIterator[None]:
    """The service from its start to its stop, as uvicorn tells it of both."""
    inbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    sent: list[str] = []

    async def send(message: Any) -> None:
        sent.append(message["type"])

    task = asyncio.create_task(testbed.app({"type": "lifespan"}, inbox.get, send))
    await inbox.put({"type": "lifespan.startup"})
    while not sent:
        await asyncio.sleep(0.01)
    yield
    await inbox.put({"type": "lifespan.shutdown"})
    await task
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


def test_start_puts_routes_right_and_stop_leaves_them(testbed: Testbed) -> None:
    stale = testbed.settings.folders.routes_dir / "left-over-file"
    stale.write_text("x")

    async def go() -> None:
        async with running(testbed):
            assert not stale.exists()
            stale.write_text("x")

    asyncio.run(go())
    assert stale.exists()


def test_unexpected_errors_show_nothing(testbed: Testbed, monkeypatch: pytest.MonkeyPatch, caplog: Any) -> None:
    def burst(*_: object) -> None:
        raise ZeroDivisionError("private detail")

    made = testbed.create()
    monkeypatch.setattr("lightship_registry.links.lifecycle.Links.of_secret", burst)
    with caplog.at_level(logging.ERROR):
        answer = testbed.job(made, "heartbeat")
    assert (answer.status_code, answer.json()["code"]) == (500, "registry-error")
    assert "private" not in answer.text
    assert "unexpected" in caplog.text


@pytest.mark.parametrize(
    ("host", "path", "action", "kind", "begins"),
    [
        ("keen-otter-mural.", "/", "page", "text/html", "<!DOCTYPE html>"),
        ("keen-otter-mural.", "/events", "events", "text/html", "<!DOCTYPE html>"),
        ("manage.", "/getlink.cgi", "satellite-getlink", "text/plain", "Oops! "),
        ("", "/getlink.cgi", "satellite-getlink", "text/plain", "Oops! "),
    ],
)
def test_unexpected_errors_are_told_as_each_host_tells_errors(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: Any,
    host: str,
    path: str,
    action: str,
    kind: str,
    begins: str,
) -> None:
    def burst(*_: object) -> None:
        raise ZeroDivisionError("private detail")

    testbed = build_satellite_testbed(tmp_path)
    for statement in ("glance", "create"):
        monkeypatch.setattr(type(testbed.store), statement, burst)
    with caplog.at_level(logging.ERROR):
        answer = testbed.send("GET", path, headers={"Host": f"{host}{testbed.settings.domain}"})
    assert (answer.status_code, answer.headers["content-type"].split(";")[0]) == (500, kind)
    assert answer.text.startswith(begins)
    assert "private detail" not in answer.text
    assert caplog.text.count("unexpected error") == 1
    counted = testbed.app.dashboard.metrics.registry.get_sample_value
    assert counted("lightship_http_requests_total", {"action": action, "status": "500"}) == 1
    testbed.close()


def test_host_of_the_api_is_read_kindly(testbed: Testbed) -> None:
    for host in (f"registry.{testbed.settings.domain}", f"REGISTRY.{testbed.settings.domain}.:8443"):
        assert testbed.send("GET", "/v1/ping", headers={"Host": host}).status_code == 403


@pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)
def test_a_restart_of_the_database_costs_no_request(testbed: Testbed, store_url: str, cluster: Cluster) -> None:
    made = testbed.create()
    assert cluster.cut_off(store_url) > 0
    assert testbed.status(made)["state"] == "waiting"


@pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)
def test_a_database_that_is_away_is_an_error_until_it_is_back(
    testbed: Testbed, store_url: str, cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    made = testbed.create()
    with cluster.locked_out(store_url):
        for answer in (testbed.agent("GET", "/v1/ping"), testbed.job(made, "heartbeat")):
            assert (answer.status_code, answer.json()["code"]) == (500, "registry-error")
    assert "not permitted to log in" in caplog.text
    assert "not-asked-for" not in caplog.text
    assert testbed.status(made)["state"] == "waiting"
