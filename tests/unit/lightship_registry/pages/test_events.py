from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from lightship_registry.pages import events
from lightship_registry.pages.events import ROOM, Events, EventStream
from unit.lightship_registry.testbed import DOMAIN, TOKEN, TOKEN_SHA256, Testbed


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "LOOK_SECONDS", 0.01)


class Listener:
    """A browser that listens to one link, as the server sees it."""

    def __init__(self, testbed: Testbed, name: str, token: str = TOKEN, path: str = "/events") -> None:
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        self.heard: list[str] = []
        self.done = False
        self._inbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        headers = [(b"host", f"{name}.{DOMAIN}".encode()), (b"x-lightship-token", token.encode())]
        scope = {"type": "http", "method": "GET", "path": path, "query_string": b"", "headers": headers}
        self.task = asyncio.create_task(testbed.app(scope, self._inbox.get, self._send))
        self._inbox.put_nowait({"type": "http.request", "body": b"", "more_body": False})

    async def _send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], dict(message["headers"])
        elif text := message["body"].decode():
            self.heard.append(text)

    def hang_up(self) -> None:
        self._inbox.put_nowait({"type": "http.disconnect"})

    @property
    def states(self) -> list[dict[str, str]]:
        return [json.loads(text.split("data: ")[1]) for text in self.heard if text.startswith("event: state\n")]


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.005)


def run(test: Callable[[], Awaitable[None]]) -> None:
    async def whole() -> None:
        await test()
        await asyncio.sleep(0)
        assert asyncio.all_tasks() == {asyncio.current_task()}, "a task was left behind"

    asyncio.run(whole())


def count(testbed: Testbed) -> int:
    return testbed.app.pages.events.count


def test_changes_arrive_and_the_end_is_the_last(testbed: Testbed) -> None:
    made = testbed.create(token_sha256=TOKEN_SHA256)

    async def go() -> None:
        listener = Listener(testbed, made["name"])
        await until(lambda: listener.states)
        assert listener.states[0]["step"] == "1"
        assert listener.headers[b"content-type"].startswith(b"text/event-stream")
        assert listener.headers[b"x-accel-buffering"] == b"no"
        testbed.change(made, job_state="queued", job_reason="<b>Busy</b>\nevent: state")
        await until(lambda: len(listener.states) == 2)
        assert listener.states[1] == {"reason": "<b>Busy</b>\nevent: state"}
        testbed.change(made, state="ended")
        await listener.task
        assert listener.states[2:] == [{"over": "ended"}]

    run(go)
    assert count(testbed) == 0


@pytest.mark.parametrize("state", ["ready", "ended"])
def test_who_comes_too_late_is_told_at_once(testbed: Testbed, state: str) -> None:
    made = testbed.create(token_sha256=TOKEN_SHA256)
    testbed.change(made, state=state, target="https://127.0.0.1:1")

    async def go() -> None:
        listener = Listener(testbed, made["name"])
        await listener.task
        assert listener.states == [{"over": state}]

    run(go)


def test_the_page_of_a_running_notebook_hears_on_until_it_ends(testbed: Testbed) -> None:
    made = testbed.create(token_sha256=TOKEN_SHA256)
    now = testbed.clock()
    testbed.change(made, state="ready", target="https://127.0.0.1:1", lease_until=now + 9999, expires_at=now + 1000)

    async def go() -> None:
        listener = Listener(testbed, made["name"], path="/running")
        await until(lambda: listener.states)
        assert (listener.states[0]["heading"], listener.states[0]["left"]) == ("Your notebook is running", "16 minutes")
        testbed.clock.now += 710
        await until(lambda: len(listener.states) == 2)
        assert listener.states[1]["ending"] == "4 min"
        testbed.change(made, state="ended")
        await listener.task
        assert listener.states[2:] == [{"over": "ended"}]

    run(go)
    assert count(testbed) == 0


@pytest.mark.parametrize("state", ["waiting", "starting", "ended"])
def test_the_page_of_a_notebook_that_does_not_run_is_over(testbed: Testbed, state: str) -> None:
    made = testbed.create(token_sha256=TOKEN_SHA256)
    testbed.change(made, state=state)

    async def go() -> None:
        listener = Listener(testbed, made["name"], path="/running")
        await listener.task
        assert listener.states == [{"over": state}]

    run(go)


def test_those_who_only_watch_leave_room_for_those_who_wait(testbed: Testbed, monkeypatch: pytest.MonkeyPatch) -> None:
    waits, runs = (testbed.create(token_sha256=TOKEN_SHA256) for _ in range(2))
    testbed.change(runs, state="ready", target="https://127.0.0.1:1")
    monkeypatch.setattr(events, "MOST", 2)

    async def go() -> None:
        watcher = Listener(testbed, runs["name"], path="/running")
        await until(lambda: watcher.heard)
        late = Listener(testbed, runs["name"], path="/running")
        await late.task
        assert late.status == 503
        waiter = Listener(testbed, waits["name"])
        await until(lambda: waiter.heard)
        for listener in (watcher, waiter):
            listener.hang_up()
            await listener.task

    run(go)


def test_who_hangs_up_leaves_nothing_behind(testbed: Testbed) -> None:
    made = testbed.create(token_sha256=TOKEN_SHA256)

    async def go() -> None:
        listeners = [Listener(testbed, made["name"]) for _ in range(3)]
        await until(lambda: all(listener.heard for listener in listeners))
        assert count(testbed) == 3
        for listener in listeners:
            listener.hang_up()
            await listener.task
        assert count(testbed) == 0

    run(go)


def test_a_listener_that_breaks_leaves_nothing_behind(testbed: Testbed) -> None:
    made = testbed.create(token_sha256=TOKEN_SHA256)

    async def go() -> None:
        listener = Listener(testbed, made["name"])
        await until(lambda: listener.heard)
        listener.task.cancel()
        await asyncio.wait({listener.task})
        assert count(testbed) == 0

    run(go)


@pytest.mark.parametrize("limit", ["MOST", "MOST_PER_LINK"])
def test_one_too_many_is_told_to_refresh(testbed: Testbed, monkeypatch: pytest.MonkeyPatch, limit: str) -> None:
    made = testbed.create(token_sha256=TOKEN_SHA256)
    monkeypatch.setattr(events, limit, 2)

    async def go() -> None:
        listeners = [Listener(testbed, made["name"]) for _ in range(3)]
        await until(lambda: all(listener.status for listener in listeners))
        # Which of them comes too late is the threads' to say.
        listeners.sort(key=lambda listener: listener.status)
        assert [listener.status for listener in listeners] == [200, 200, 503]
        listeners[0].hang_up()
        await listeners[0].task
        again = Listener(testbed, made["name"])
        await until(lambda: again.heard)
        assert again.status == 200
        testbed.change(made, state="ended")
        await asyncio.gather(again.task, *(listener.task for listener in listeners))

    run(go)


def test_a_service_that_stops_lets_go_of_everybody(testbed: Testbed) -> None:
    made = testbed.create(token_sha256=TOKEN_SHA256)

    async def go() -> None:
        listener = Listener(testbed, made["name"])
        await until(lambda: listener.heard)
        testbed.app.hang_up()
        await listener.task
        late = Listener(testbed, made["name"])
        await late.task
        assert late.status == 503

    run(go)


def test_silence_is_filled_and_nothing_lasts_for_ever(testbed: Testbed, monkeypatch: pytest.MonkeyPatch) -> None:
    made = testbed.create(token_sha256=TOKEN_SHA256)
    ticks = 0.0
    sent: list[Any] = []

    def tick() -> float:
        nonlocal ticks
        ticks += 10
        return ticks

    async def send(message: Any) -> None:
        sent.append(message.get("body", b""))

    async def go() -> None:
        told = Events(testbed.store.find, testbed.clock, tick)
        forever = asyncio.get_running_loop().create_future()
        await EventStream(told, made["name"], ROOM, {}, testbed.app)(
            {"type": "http"}, lambda: asyncio.shield(forever), send
        )

    monkeypatch.setattr(events, "LONGEST_SECONDS", 200)
    monkeypatch.setattr(events, "LOOK_SECONDS", 0)
    run(go)
    assert sent.count(b": still here\n\n") > 2
    assert sent[-1] == b""


@pytest.mark.parametrize("path", ["/events", "/running"])
@pytest.mark.parametrize("token", ["", "f" * 32])
def test_without_the_token_nothing_is_told(testbed: Testbed, token: str, path: str) -> None:
    made = testbed.create(token_sha256=TOKEN_SHA256)

    async def go() -> None:
        listener, nobody = (Listener(testbed, name, token, path) for name in (made["name"], "no-such-name"))
        await asyncio.gather(listener.task, nobody.task)
        assert (listener.status, listener.heard) == (404, nobody.heard)

    run(go)


def test_trouble_with_the_store_ends_the_stream_and_is_told(testbed: Testbed, caplog: pytest.LogCaptureFixture) -> None:
    made = testbed.create(token_sha256=TOKEN_SHA256)

    async def go() -> None:
        listener = Listener(testbed, made["name"])
        await until(lambda: listener.heard)
        with testbed.engine.connect() as connection:
            connection.exec_driver_sql("DROP TABLE links")
        await listener.task

    run(go)
    assert "events: " in caplog.text
