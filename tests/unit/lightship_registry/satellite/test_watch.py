"""The looks that stand for heartbeats: what opens a route in the clear, what keeps it open, what ends its link."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

import pytest

from lightship_registry.core.records import Cause, Link
from lightship_registry.links.reconciler import ANNOUNCED_SECONDS
from lightship_registry.satellite import listener as satellite_listener
from lightship_registry.satellite import watch
from lightship_registry.satellite.watch import CHECK_SECONDS
from unit.lightship_registry.programs import Program, program
from unit.lightship_registry.satellites import NODE, Client, Rounds, build, watch_of
from unit.lightship_registry.testbed import OK, Testbed

TLS_ALERT = b"\x15\x03\x01\x00\x02\x02\x46"


@pytest.fixture
def testbed(tmp_path: Path) -> Iterator[Testbed]:
    testbed = build(tmp_path)
    yield testbed
    testbed.close()


@pytest.fixture
def rounds(testbed: Testbed) -> Rounds:
    return Rounds(testbed)


def free_port() -> int:
    with socket.create_server((NODE, 0)) as listener:
        return int(listener.getsockname()[1])


def redeemed(testbed: Testbed, port: int) -> str:
    node = Client(testbed, NODE)
    name = node.token()
    assert node.redeem(name, port) == "Success!\n"
    return name


def row(testbed: Testbed, name: str) -> Link:
    link = testbed.store.find(name)
    assert link is not None
    return link


def test_a_route_opens_when_the_notebook_comes_up_and_not_before(testbed: Testbed, rounds: Rounds) -> None:
    port = free_port()
    name = redeemed(testbed, port)
    rounds.go(3)
    assert (row(testbed, name).state, testbed.routes) == ("starting", {})
    with program(port=port):
        rounds.go()
        assert testbed.routes == {name: f"http://{NODE}:{port}\n"}


@pytest.mark.parametrize("answer", [b"", b"SSH-2.0-OpenSSH\r\n", TLS_ALERT, b"HTTP/0.9\r\n", b"x" * 9000])
def test_what_does_not_speak_http_gets_no_route(
    testbed: Testbed, rounds: Rounds, answer: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(satellite_listener.ask, "__defaults__", (0.2,))
    with program(answer) as port:
        name = redeemed(testbed, port)
        rounds.go()
        assert (row(testbed, name).state, testbed.routes) == ("starting", {})


def test_a_notebook_that_answers_keeps_its_lease_and_one_that_is_slow_keeps_its_link(
    testbed: Testbed, rounds: Rounds, monkeypatch: pytest.MonkeyPatch
) -> None:
    notebook = Program()
    try:
        name = redeemed(testbed, notebook.port)
        rounds.go()
        testbed.clock.now += 80
        rounds.go(later=CHECK_SECONDS)
        assert row(testbed, name).lease_until == testbed.clock.now + 90
        monkeypatch.setattr(satellite_listener.ask, "__defaults__", (0.2,))
        notebook.answer = b""
        rounds.go(later=CHECK_SECONDS)
        assert (row(testbed, name).state, list(testbed.routes)) == ("ready", [name])
        testbed.clock.now += 90
        # Whatever is spared of others: an answer is what renews a lease.
        testbed.reconciler.reconcile(spare_silent=True)
        assert testbed.routes == {}
        notebook.answer = OK
        rounds.go(later=CHECK_SECONDS)
        assert (row(testbed, name).state, testbed.routes) == ("ended", {})
    finally:
        notebook.die()


def test_it_is_asked_now_and_then_only_though_it_is_knocked_at_each_second(testbed: Testbed, rounds: Rounds) -> None:
    notebook = Program()
    redeemed(testbed, notebook.port)
    rounds.go()
    # Once before a connection stands to it, and once beside it.
    assert notebook.requests == [b"GET /api HTTP/1.1"] * 2
    rounds.go(3)
    assert len(notebook.requests) == 3
    rounds.go(later=CHECK_SECONDS)
    rounds.go(5)
    assert len(notebook.requests) == 4
    notebook.die()


@pytest.mark.parametrize("answer", [None, TLS_ALERT])
def test_a_port_that_is_left_or_taken_by_something_else_ends_the_link_at_once(
    testbed: Testbed, rounds: Rounds, answer: bytes | None
) -> None:
    with program() as port:
        name = redeemed(testbed, port)
        rounds.go()
    with program(answer, port) if answer else contextlib.nullcontext():
        rounds.go(later=CHECK_SECONDS)
    link = row(testbed, name)
    assert (link.state, link.cause, testbed.routes) == ("ended", Cause.ENDED, {})
    assert [path.name for path in testbed.settings.folders.cut_dir.iterdir()] == [name]
    with program(port=port):
        rounds.go(2, later=CHECK_SECONDS)
        assert testbed.routes == {}


def test_a_port_rests_before_the_next_notebook_there_is_opened(testbed: Testbed, rounds: Rounds) -> None:
    with program() as port:
        first = redeemed(testbed, port)
        rounds.go()
    rounds.until(lambda: row(testbed, first).state == "ended")
    with program(port=port):
        second = redeemed(testbed, port)
        rounds.go(2)
        assert (row(testbed, second).state, testbed.routes) == ("starting", {})
        testbed.clock.now += testbed.settings.target_rest_seconds + 1
        rounds.go()
        assert list(testbed.routes) == [second]


def test_a_link_that_never_answers_is_given_up_and_one_that_lives_too_long_too(
    testbed: Testbed, rounds: Rounds
) -> None:
    silent = redeemed(testbed, free_port())
    with program() as port:
        busy = redeemed(testbed, port)
        rounds.go()
        testbed.clock.now += ANNOUNCED_SECONDS - 1
        testbed.links.heartbeat(row(testbed, busy))
        testbed.reconciler.end_due(spare_silent=False)
        assert row(testbed, silent).state == "starting"
        testbed.clock.now += 1
        testbed.links.heartbeat(row(testbed, busy))
        testbed.reconciler.end_due(spare_silent=False)
        assert (row(testbed, silent).cause, row(testbed, busy).state) == (Cause.FAILED, "ready")
        testbed.clock.now += testbed.settings.max_hours * 3600
        testbed.reconciler.end_due(spare_silent=True)
        assert (row(testbed, busy).cause, testbed.routes) == (Cause.TIME_LIMIT, {})


def test_a_token_that_nobody_redeems_is_given_up(testbed: Testbed) -> None:
    name = Client(testbed).token()
    testbed.clock.now += testbed.settings.waiting_hours * 3600
    testbed.reconciler.end_due(spare_silent=True)
    assert row(testbed, name).cause == Cause.NOT_STARTED
    assert Client(testbed, NODE).redeem(name, 8888).startswith("Oops! Unknown token")


def test_a_cluster_that_was_switched_off_is_not_looked_after_any_more(testbed: Testbed) -> None:
    with program() as port:
        name = redeemed(testbed, port)
        testbed.settings.satellite_networks.pop("demo")
        Rounds(testbed).go()
        assert row(testbed, name).state == "starting"


def test_the_service_looks_by_itself(testbed: Testbed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "ROUND_SECONDS", 0.01)

    async def serve() -> None:
        watching = asyncio.create_task(watch_of(testbed).run())
        while not testbed.routes:
            await asyncio.sleep(0.01)
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)

    with program(OK) as port:
        name = redeemed(testbed, port)
        asyncio.run(asyncio.wait_for(serve(), 20))
        assert list(testbed.routes) == [name]


@pytest.mark.parametrize("damage", [{"name": "../x"}, {"announced": "127.0.0.\ufffd:4567"}, {"announced": ""}])
def test_a_damaged_row_is_not_looked_after(testbed: Testbed, rounds: Rounds, damage: dict[str, str]) -> None:
    with program(OK) as port:
        damaged, whole = redeemed(testbed, port), redeemed(testbed, port + 1)
        testbed.change({"name": damaged}, **damage)
        rounds.go(3)
        assert testbed.routes == {}
        assert not (testbed.settings.folders.routes_dir.parent / "x").exists()
        assert row(testbed, whole).state == "starting"


def test_visits_to_programs_that_outlived_their_links_end_with_the_watch_and_tell_errors(
    testbed: Testbed, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(_: satellite_listener.Listener) -> None:
        raise ZeroDivisionError

    async def no_more_files(_: satellite_listener.Listener) -> None:
        raise OSError(24, "Too many open files")

    async def hanging(_: satellite_listener.Listener) -> None:
        await asyncio.sleep(3600)

    async def go() -> None:
        watching = watch_of(testbed)
        watching._left[f"{NODE}:4567"] = satellite_listener.Listener(ip_address(NODE), 4567)
        for knock, said in ((broken, "unexpected error"), (no_more_files, "Too many open files")):
            monkeypatch.setattr(satellite_listener.Listener, "knock", knock)
            await asyncio.gather(*await watching.start_round())
            assert f"looking after {NODE}:4567: " in caplog.text
            assert said in caplog.text
        monkeypatch.setattr(satellite_listener.Listener, "knock", hanging)
        visits = await watching.start_round()
        await asyncio.sleep(0)
        assert watching._visits == set(visits) != set()
        watching.close()
        await asyncio.wait(visits, timeout=10)
        assert all(visit.cancelled() for visit in visits)
        await asyncio.sleep(0)
        assert watching._visits == set()

    asyncio.run(go())
