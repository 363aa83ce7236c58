from __future__ import annotations

import asyncio
import json
import signal
import socket
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from lightship_registry.monitoring.listener import listening
from unit.lightship_registry.test_server import ask, configure, running, wait_for
from unit.lightship_registry.testbed import Testbed


def free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        port: int = listener.getsockname()[1]
        return port


async def reach(port: int) -> httpx.Response:
    async with httpx.AsyncClient() as client:
        for _ in range(100):
            try:
                return await client.get(f"http://127.0.0.1:{port}/metrics")
            except httpx.ConnectError:
                await asyncio.sleep(0.05)
    raise AssertionError("nobody listens")


def test_it_listens_meanwhile_and_on_this_host_alone(testbed: Testbed) -> None:
    port = free_port()

    async def go() -> None:
        async with listening(port, testbed.app.dashboard):
            assert "lightship_links" in (await reach(port)).text
            with pytest.raises(OSError, match="refused"):
                socket.create_connection(("127.0.0.2", port), 1)
        with pytest.raises(OSError, match="refused"):
            socket.create_connection(("127.0.0.1", port), 1)

    asyncio.run(go())


def test_it_stops_at_once_though_somebody_is_being_answered() -> None:
    port, begun = free_port(), asyncio.Event()

    async def slow(_scope: Any, _receive: Any, _send: Any) -> None:
        begun.set()
        await asyncio.sleep(60)

    async def go() -> float:
        async with listening(port, slow):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            await asyncio.wait_for(begun.wait(), 10)
            before = time.monotonic()
        took = time.monotonic() - before
        writer.close()
        return took

    assert asyncio.run(go()) < 2


def test_no_port_is_no_listener(testbed: Testbed) -> None:
    async def go() -> int:
        before = len(asyncio.all_tasks())
        async with listening(0, testbed.app.dashboard):
            return len(asyncio.all_tasks()) - before

    assert asyncio.run(go()) == 0


def test_a_taken_port_is_told_and_stops_nothing(testbed: Testbed, caplog: pytest.LogCaptureFixture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]

        async def go() -> None:
            async with listening(port, testbed.app.dashboard):
                await asyncio.sleep(0)

        asyncio.run(go())
    (line,) = [json.loads(line)["reason"] for line in caplog.messages]
    assert line.startswith(f"metrics_port: cannot listen on 127.0.0.1:{port}: Address already in use")


def test_the_service_has_it_and_both_end_at_a_signal(tmp_path: Path) -> None:
    port, path = free_port(), tmp_path / "s"
    config = configure(tmp_path, f"metrics_port = {port}\n")
    command = [sys.executable, "-m", "lightship_registry", "serve", "--config", str(config), "--uds", str(path)]
    with running(command) as process:
        wait_for(path)
        assert ask(path).status_code == 403
        with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
            assert 'lightship_refused_total{action="ping",code="refused"} 1.0' in client.get("/metrics").text
            assert "How things stand" in client.get("/").text
            assert "server" not in client.get("/").headers
            before = time.monotonic()
            process.send_signal(signal.SIGTERM)
            journal, _ = process.communicate(timeout=10)
            assert time.monotonic() - before < 3
    assert process.returncode in (0, -signal.SIGTERM)
    assert "problem" not in journal
    (line,) = (tmp_path / "audit.jsonl").read_text().splitlines()
    assert json.loads(line)["action"] == "ping"


def test_the_service_runs_without_it_when_the_port_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with socket.create_server(("127.0.0.1", 0)) as other:
        config = configure(tmp_path, f"metrics_port = {other.getsockname()[1]}\n")
        command = [sys.executable, "-m", "lightship_registry", "serve", "--config", str(config), "--uds", str(path)]
        with running(command) as process:
            wait_for(path)
            assert ask(path).status_code == 403
            process.send_signal(signal.SIGTERM)
            journal, _ = process.communicate(timeout=10)
    assert "metrics_port: cannot listen" in journal
