"""Jobs of two users in turn on one node and one port: each link leads to its own notebook, or nowhere."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import httpx
import pytest

from lightship_protocol.states import ENDED, READY, STARTING, WAITING
from lightship_registry.api.hosts import application
from lightship_registry.core.observer import NO_OBSERVER
from lightship_registry.core.records import Cause, Ending, Link
from lightship_registry.satellite import http, watch
from lightship_registry.satellite.http import SatelliteApi
from lightship_registry.satellite.rules import SatelliteRules
from lightship_registry.satellite.watch import SETTLE_SECONDS
from unit.lightship_registry.programs import Program
from unit.lightship_registry.satellites import LOGIN, MANAGE, build, watch_of
from unit.lightship_registry.testbed import NODE, Testbed

TURNS = 30
VERSION_1, VERSION_2 = (
    b"HTTP/1.1 200 OK\r\nServer: TornadoServer/6.5\r\nContent-Length: 21\r\n\r\n" + body
    for body in (b'{"version": "2.21.1"}', b'{"version": "2.20.0"}')
)


@pytest.fixture
def testbed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Testbed]:
    monkeypatch.setattr(watch, "ROUND_SECONDS", 0.02)
    monkeypatch.setattr(watch, "CHECK_SECONDS", 0.1)
    monkeypatch.setattr(http, "TRY_SECONDS", 0.01)
    testbed = build(tmp_path)
    yield testbed
    testbed.close()


class Service:
    """The interface and the watch in one loop, as they run in the service, and somebody at the links' addresses."""

    def __init__(self, testbed: Testbed) -> None:
        self.testbed = testbed
        self.watch = watch_of(testbed)
        parts = testbed.parts
        rules = SatelliteRules(
            testbed.settings, parts.satellite_links, parts.publisher, parts.satellite_store, testbed.clock
        )
        self._app = application(SatelliteApi(rules, self.watch).routes(), http.refusal, NO_OBSERVER)
        self.visits = self.passes = 0

    async def get(self, path: str, address: str = NODE) -> str:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(self._app), base_url=f"https://{MANAGE}") as client:
            return (await client.get(path, headers={"X-Real-IP": address})).text

    async def announced(self, port: int) -> str:
        name = (await self.get("/getlink.cgi", LOGIN)).split()[-1]
        told = await self.get(f"/redeemtoken.cgi?token={name}&port={port}")
        assert told == "Success!\n", told
        return name

    def link(self, name: str) -> Link:
        link = self.testbed.store.find(name)
        assert link is not None
        return link

    async def until(self, so: Callable[[], bool]) -> None:
        # No lease runs out meanwhile: the testbed's clock stands. How soon it is, is measured on the bed.
        async with asyncio.timeout(10):
            while not so():
                await asyncio.sleep(0.001)

    async def until_it_is(self, name: str, state: str) -> None:
        await self.until(lambda: self.link(name).state == state and (state != READY or name in self.testbed.routes))

    async def until_it_is_bound(self, name: str) -> None:
        await self.until(lambda: self.link(name).program_mark != "")

    async def visit(self) -> None:
        """Go where the routes lead, as the web server does, and say for which link."""
        while True:
            for route in self.testbed.settings.folders.routes_dir.glob("*-*-*"):
                with contextlib.suppress(OSError):
                    host, _, port = route.read_text().strip().removeprefix("http://").rpartition(":")
                    reader, writer = await asyncio.open_connection(host, int(port))
                    writer.write(f"GET /{route.name} HTTP/1.1\r\n\r\n".encode())
                    with contextlib.closing(writer):
                        self.visits += bool(await reader.read())
            self.passes += 1
            await asyncio.sleep(0.001)

    async def until_no_visit_is_under_way(self) -> None:
        """Whoever saw a route that is closed by now has been where it led."""
        await self.until_more("passes", 2)

    async def until_more(self, what: str, by: int = 1) -> None:
        """Wait for the visitor to have done more."""
        wanted = getattr(self, what) + by
        await self.until(lambda: getattr(self, what) >= wanted)


@contextlib.asynccontextmanager
async def serving(testbed: Testbed) -> AsyncIterator[Service]:
    service = Service(testbed)
    tasks = [asyncio.create_task(service.watch.run()), asyncio.create_task(service.visit())]
    try:
        yield service
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def play(testbed: Testbed, scene: Callable[[Service], Awaitable[None]]) -> None:
    async def go() -> None:
        async with serving(testbed) as service:
            await scene(service)

    asyncio.run(asyncio.wait_for(go(), 60))


def asked_for(notebook: Program) -> set[str]:
    """The links by which somebody came."""
    return {line.split()[1].decode()[1:] for line in notebook.requests} - {"api"}


def test_thirty_jobs_in_turn_never_meet(testbed: Testbed) -> None:
    async def scene(service: Service) -> None:
        port, came = 0, []
        for _ in range(TURNS):
            notebook = Program(port=port)
            port = notebook.port
            # The port has rested.
            testbed.clock.now += testbed.settings.target_rest_seconds + 1
            name = await service.announced(port)
            await service.until_it_is(name, READY)
            await service.until_more("visits")
            notebook.die()
            await service.until(lambda: testbed.routes == {})
            await service.until_no_visit_is_under_way()
            came.append((asked_for(notebook), {name}))
            await service.until_it_is(name, ENDED)
            assert service.link(name).cause == Cause.ENDED
        assert all(found == expected for found, expected in came)

    play(testbed, scene)


@pytest.mark.parametrize("answer", [VERSION_1, VERSION_2], ids=["the same program", "another one"])
def test_a_job_that_takes_the_port_in_the_same_moment_gets_the_port_and_not_the_link(
    testbed: Testbed, answer: bytes
) -> None:
    async def scene(service: Service) -> None:
        first = Program(VERSION_1)
        old = await service.announced(first.port)
        await service.until_it_is(old, READY)
        first.die()
        second = Program(answer, first.port)
        await service.until(lambda: testbed.routes == {})
        await service.until_it_is(old, ENDED)
        await service.until_no_visit_is_under_way()
        second.requests.clear()
        new = await service.announced(second.port)
        await service.until_it_is_bound(new)
        assert service.link(new).state == STARTING
        testbed.clock.now += testbed.settings.target_rest_seconds + 1
        await service.until_it_is(new, READY)
        await service.until_more("visits")
        second.die()
        assert asked_for(second) == {new}

    play(testbed, scene)


def test_a_port_that_is_given_up_ends_its_link_though_the_job_lives_on(testbed: Testbed) -> None:
    """A Jupyter that was told to stop closes its port first, and then its kernels."""

    async def scene(service: Service) -> None:
        notebook = Program()
        name = await service.announced(notebook.port)
        await service.until_it_is(name, READY)
        notebook.close_port()
        await service.until(lambda: testbed.routes == {})
        notebook.die()

    play(testbed, scene)


@pytest.mark.parametrize("how", ["close_port", "die"])
def test_a_job_whose_notebook_has_stopped_destroys_its_token_as_ever(testbed: Testbed, how: str) -> None:
    """The last line of a client's script, after Jupyter was shut down: a refusal would read as a failed job."""

    async def scene(service: Service) -> None:
        notebook = Program()
        name = await service.announced(notebook.port)
        await service.until_it_is(name, READY)
        getattr(notebook, how)()
        await service.until_it_is(name, ENDED)
        before = service.link(name)
        assert (await service.get(f"/destroytoken.cgi?token={name}", LOGIN)).startswith("Oops! Unknown token")
        assert await service.get(f"/destroytoken.cgi?token={name}") == "Success! Token destroyed.\n"
        assert service.link(name) == before

    play(testbed, scene)


def test_of_two_that_announce_one_port_the_newer_one_counts(testbed: Testbed) -> None:
    async def scene(service: Service) -> None:
        with_nobody = Program()
        with_nobody.die()
        older = await service.announced(with_nobody.port)
        newer = await service.announced(with_nobody.port)
        assert service.link(older).state == ENDED
        assert service.link(older).reason == "A later job on its node named the same port."
        notebook = Program(port=with_nobody.port)
        await service.until_it_is(newer, READY)
        notebook.die()
        assert asked_for(notebook) <= {newer}

    play(testbed, scene)


def test_what_is_announced_ends_with_the_notebook_that_came_first_though_the_port_still_rests(testbed: Testbed) -> None:
    async def scene(service: Service) -> None:
        first = Program()
        old = await service.announced(first.port)
        await service.until_it_is(old, READY)
        first.die()
        await service.until_it_is(old, ENDED)
        second = Program(port=first.port)
        waiting = await service.announced(second.port)
        await service.until_it_is_bound(waiting)
        second.die()
        strangers = Program(port=first.port)
        await service.until_it_is(waiting, ENDED)
        testbed.clock.now += testbed.settings.target_rest_seconds + 1
        await asyncio.sleep(0)
        strangers.die()
        assert asked_for(strangers) == set()

    play(testbed, scene)


def test_who_comes_late_must_stand_a_while_in_which_its_own_job_may_speak(testbed: Testbed) -> None:
    async def scene(service: Service) -> None:
        nobody = Program()
        nobody.die()
        stale = await service.announced(nobody.port)
        testbed.clock.now += 240
        strangers = Program(port=nobody.port)
        await service.until_it_is_bound(stale)
        assert service.link(stale).state == STARTING
        own = await service.announced(strangers.port)
        assert service.link(stale).state == ENDED
        await service.until_it_is(own, READY)
        strangers.die()
        assert asked_for(strangers) <= {own}
        # One that nobody else announces is opened: an image may take long to come.
        late = await service.announced(nobody.port)
        testbed.clock.now += 240
        slow = Program(port=nobody.port)
        await service.until_it_is_bound(late)
        testbed.clock.now += SETTLE_SECONDS
        await service.until_it_is(late, READY)
        slow.die()

    play(testbed, scene)


@pytest.mark.parametrize("how", ["destroyed", "revoked", "over"])
def test_a_notebook_that_outlives_its_link_is_nobody_elses(testbed: Testbed, how: str) -> None:
    async def scene(service: Service) -> None:
        notebook = Program()
        first = await service.announced(notebook.port)
        await service.until_it_is(first, READY)
        second = (await service.get("/getlink.cgi", LOGIN)).split()[-1]
        redeem = f"/redeemtoken.cgi?token={second}&port={notebook.port}"
        assert (await service.get(redeem)).startswith(f"Oops! {NODE}:{notebook.port} is another link's notebook.")
        if how == "destroyed":
            await service.get(f"/destroytoken.cgi?token={first}")
        else:
            cause = Cause.REVOKED if how == "revoked" else Cause.TIME_LIMIT
            await asyncio.to_thread(testbed.links.end, service.link(first), Ending(cause, "Over."))
        await service.until(lambda: service.watch.is_left(f"{NODE}:{notebook.port}"))
        testbed.clock.now += testbed.settings.target_rest_seconds + 1
        assert (await service.get(redeem)).startswith("Oops! The notebook of an earlier link still listens at")
        assert service.link(second).state == WAITING
        notebook.die()
        await service.until(lambda: not service.watch.is_left(f"{NODE}:{notebook.port}"))
        assert await service.get(redeem) == "Success!\n"
        assert asked_for(notebook) <= {first}

    play(testbed, scene)


@pytest.mark.parametrize("answer", [None, VERSION_2], ids=["nobody", "another program"])
def test_after_a_restart_of_the_service_a_link_goes_on_with_its_own_program_only(
    testbed: Testbed, answer: bytes | None
) -> None:
    notebook = Program(VERSION_1)
    names = []

    async def before(service: Service) -> None:
        names.append(await service.announced(notebook.port))
        await service.until_it_is(names[0], READY)

    async def the_same(service: Service) -> None:
        lease = service.link(names[0]).lease_until
        testbed.clock.now += 1
        await service.until(lambda: service.link(names[0]).lease_until > lease)

    async def another(service: Service) -> None:
        await service.until_it_is(names[0], ENDED)
        assert testbed.routes == {}

    play(testbed, before)
    play(testbed, the_same)
    notebook.die()
    successor = Program(answer, notebook.port) if answer else None
    play(testbed, another)
    if successor:
        successor.die()


def test_a_store_that_cannot_be_written_keeps_no_route_open(testbed: Testbed, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene(service: Service) -> None:
        notebook = Program()
        name = await service.announced(notebook.port)
        await service.until_it_is(name, READY)

        def fails(*_: object) -> bool:
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as broken:
            broken.setattr(testbed.store, "end", fails)
            notebook.die()
            await service.until(lambda: testbed.routes == {})
            testbed.reconciler.reconcile(spare_silent=True)
            assert (testbed.routes, service.link(name).state) == ({}, READY)
        await service.until_it_is(name, ENDED)

    play(testbed, scene)


def test_a_program_that_serves_one_connection_at_a_time_is_served_itself(
    testbed: Testbed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lightship_registry.satellite.listener.ask.__defaults__", (0.2,))

    async def scene(service: Service) -> None:
        notebook = Program(at_once=1)
        name = await service.announced(notebook.port)
        await service.until_it_is(name, READY)
        await service.until_more("visits", 5)
        notebook.die()
        await service.until(lambda: testbed.routes == {})

    play(testbed, scene)
