"""The looks that stand for heartbeats: what opens a route in the clear, what keeps it open, what ends its link."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from lightship_registry.core.records import Cause, Link
from lightship_registry.links.reconciler import ANNOUNCED_SECONDS
from lightship_registry.satellite import listener as satellite_listener
from lightship_registry.satellite import watch
from lightship_registry.satellite.watch import CHECK_SECONDS
from unit.lightship_registry.programs import Program, program
from unit.lightship_registry.satellites import NODE, Client, Rounds, build, watch_of
from unit.lightship_registry.world import OK, World

TLS_ALERT = b"\x15\x03\x01\x00\x02\x02\x46"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = build(tmp_path)
    yield world
    world.close()


@pytest.fixture
def rounds(world: World) -> Rounds:
    return Rounds(world)


def free_port() -> int:
    with socket.create_server((NODE, 0)) as listener:
        return int(listener.getsockname()[1])


def redeemed(world: World, port: int) -> str:
    node = Client(world, NODE)
    name = node.token()
    assert node.redeem(name, port) == "Success!\n"
    return name


def row(world: World, name: str) -> Link:
    link = world.store.find(name)
    assert link is not None
    return link


def test_a_route_opens_when_the_notebook_comes_up_and_not_before(world: World, rounds: Rounds) -> None:
    port = free_port()
    name = redeemed(world, port)
    rounds.go(3)
    assert (row(world, name).state, world.routes) == ("starting", {})
    with program(port=port):
        rounds.go()
        assert world.routes == {name: f"http://{NODE}:{port}\n"}


@pytest.mark.parametrize("answer", [b"", b"SSH-2.0-OpenSSH\r\n", TLS_ALERT, b"HTTP/0.9\r\n", b"x" * 9000])
def test_what_does_not_speak_http_gets_no_route(
    world: World, rounds: Rounds, answer: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(satellite_listener.ask, "__defaults__", (0.2,))
    with program(answer) as port:
        name = redeemed(world, port)
        rounds.go()
        assert (row(world, name).state, world.routes) == ("starting", {})


def test_a_notebook_that_answers_keeps_its_lease_and_one_that_is_slow_keeps_its_link(
    world: World, rounds: Rounds, monkeypatch: pytest.MonkeyPatch
) -> None:
    notebook = Program()
    try:
        name = redeemed(world, notebook.port)
        rounds.go()
        world.clock.now += 80
        rounds.go(later=CHECK_SECONDS)
        assert row(world, name).lease_until == world.clock.now + 90
        monkeypatch.setattr(satellite_listener.ask, "__defaults__", (0.2,))
        notebook.answer = b""
        rounds.go(later=CHECK_SECONDS)
        assert (row(world, name).state, list(world.routes)) == ("ready", [name])
        world.clock.now += 90
        # Whatever is spared of others: an answer is what renews a lease.
        world.reconciler.reconcile(spare_silent=True)
        assert world.routes == {}
        notebook.answer = OK
        rounds.go(later=CHECK_SECONDS)
        assert (row(world, name).state, world.routes) == ("ended", {})
    finally:
        notebook.die()


def test_it_is_asked_now_and_then_only_though_it_is_knocked_at_each_second(world: World, rounds: Rounds) -> None:
    notebook = Program()
    redeemed(world, notebook.port)
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
    world: World, rounds: Rounds, answer: bytes | None
) -> None:
    with program() as port:
        name = redeemed(world, port)
        rounds.go()
    with program(answer, port) if answer else contextlib.nullcontext():
        rounds.go(later=CHECK_SECONDS)
    link = row(world, name)
    assert (link.state, link.cause, world.routes) == ("ended", Cause.ENDED, {})
    assert [path.name for path in world.settings.folders.cut_dir.iterdir()] == [name]
    with program(port=port):
        rounds.go(2, later=CHECK_SECONDS)
        assert world.routes == {}


def test_a_port_rests_before_the_next_notebook_there_is_opened(world: World, rounds: Rounds) -> None:
    with program() as port:
        first = redeemed(world, port)
        rounds.go()
    rounds.until(lambda: row(world, first).state == "ended")
    with program(port=port):
        second = redeemed(world, port)
        rounds.go(2)
        assert (row(world, second).state, world.routes) == ("starting", {})
        world.clock.now += world.settings.target_rest_seconds + 1
        rounds.go()
        assert list(world.routes) == [second]


def test_a_link_that_never_answers_is_given_up_and_one_that_lives_too_long_too(world: World, rounds: Rounds) -> None:
    silent = redeemed(world, free_port())
    with program() as port:
        busy = redeemed(world, port)
        rounds.go()
        world.clock.now += ANNOUNCED_SECONDS - 1
        world.links.heartbeat(row(world, busy))
        world.reconciler.end_due(spare_silent=False)
        assert row(world, silent).state == "starting"
        world.clock.now += 1
        world.links.heartbeat(row(world, busy))
        world.reconciler.end_due(spare_silent=False)
        assert (row(world, silent).cause, row(world, busy).state) == (Cause.FAILED, "ready")
        world.clock.now += world.settings.max_hours * 3600
        world.reconciler.end_due(spare_silent=True)
        assert (row(world, busy).cause, world.routes) == (Cause.TIME_LIMIT, {})


def test_a_token_that_nobody_redeems_is_given_up(world: World) -> None:
    name = Client(world).token()
    world.clock.now += world.settings.waiting_hours * 3600
    world.reconciler.end_due(spare_silent=True)
    assert row(world, name).cause == Cause.NOT_STARTED
    assert Client(world, NODE).redeem(name, 8888).startswith("Oops! Unknown token")


def test_a_cluster_that_was_switched_off_is_not_looked_after_any_more(world: World) -> None:
    with program() as port:
        name = redeemed(world, port)
        world.settings.satellite_networks.pop("demo")
        Rounds(world).go()
        assert row(world, name).state == "starting"


def test_the_service_looks_by_itself(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "ROUND_SECONDS", 0.01)

    async def serve() -> None:
        watching = asyncio.create_task(watch_of(world).run())
        while not world.routes:
            await asyncio.sleep(0.01)
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)

    with program(OK) as port:
        name = redeemed(world, port)
        asyncio.run(asyncio.wait_for(serve(), 20))
        assert list(world.routes) == [name]
