"""Checks the notebooks of Satellite's links, whose jobs announce a port once and send no heartbeats.

A job may announce its port before Jupyter listens there. The link is bound to the first program that answers HTTP at
the port: it lives as long as this program listens, and the answers serve as heartbeats. The next program at the port
may be another user's. The link must not lead to it.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine
from functools import partial

from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool

from lightship_protocol.states import READY, STARTING
from lightship_registry.core import audit
from lightship_registry.core.clock import Clock, steady
from lightship_registry.core.db_errors import explain
from lightship_registry.core.errors import RegistryError
from lightship_registry.core.interfaces import SATELLITE
from lightship_registry.core.records import Cause, Ending, Link
from lightship_registry.core.settings import Settings
from lightship_registry.links import targets
from lightship_registry.links.lifecycle import Links
from lightship_registry.links.publisher import Publisher
from lightship_registry.links.routes import Routing
from lightship_registry.satellite.listener import Answer, Found, Listener, ask, same_program
from lightship_registry.store.satellite import SatelliteStore

ROUND_SECONDS = 1.0
# A round pauses after each slice of links: other requests wait for answers meanwhile.
SLICE, SLICE_SECONDS = 20, 0.005
# Well within a lease, and rare enough for the notebooks' logs.
CHECK_SECONDS = 15.0
# Limits for each kind of check: announced notebooks that hang must not delay the checks of open ones.
CHECKS_AT_ONCE, KNOCKS_AT_ONCE = 32, 512
GONE = Ending(Cause.ENDED, "Its notebook was not seen at its port any more.")
# A limit per address, which is one user's node: it must not delay the checks of others.
CHECKS_PER_ADDRESS = 4
# An announced port is tried each second at first, and rarely later.
EAGER_SECONDS = 60.0
# A program that comes later to a port may be the next job's. That job gets this time to announce the port itself.
SETTLE_SECONDS = 10.0
# The limit for programs that outlive their links.
MOST_LEFT = 1000


class SatelliteWatch:
    """Runs rounds of checks as long as the service runs."""

    def __init__(
        self,
        settings: Settings,
        links: Links,
        publisher: Publisher,
        routing: Routing,
        store: SatelliteStore,
        clock: Clock,
        ticks: Clock = steady,
    ) -> None:
        self._settings = settings
        self._links = links
        self._publisher = publisher
        self._routing = routing
        self._store = store
        self._clock = clock
        self._ticks = ticks
        self._due: dict[str, float] = {}
        self._under_way: dict[str, asyncio.Task[None]] = {}
        self._checking: dict[str, str] = {}
        self._slots = {state: asyncio.Semaphore(CHECKS_AT_ONCE) for state in (STARTING, READY)}
        self._knocks = asyncio.Semaphore(KNOCKS_AT_ONCE)
        self._listeners: dict[str, Listener] = {}
        self._met: dict[str, float] = {}
        self._known: dict[str, Link] = {}
        # Programs that outlived their links, by target. A new link at such a target would lead to the old program.
        self._left: dict[str, Listener] = {}
        self._visits: set[asyncio.Task[None]] = set()
        self._ending: set[asyncio.Task[None]] = set()
        # Links whose programs are gone. An older answer of the store must not bind them to the next program.
        self._over: set[str] = set()

    async def run(self) -> None:
        """Run rounds until cancelled. Errors of the disk or the store are logged, and the next round tries again."""
        try:
            spent = 0.0
            while True:
                # A round over a thousand links takes a large part of a second itself.
                await asyncio.sleep(max(ROUND_SECONDS / 4, ROUND_SECONDS - spent))
                began = self._ticks()
                await self._guarded("Satellite's links", self.start_round())
                spent = self._ticks() - began
        finally:
            self.close()

    def close(self) -> None:
        """Cancel all checks and close all connections."""
        for task in (*self._under_way.values(), *self._visits):
            task.cancel()
        for listener in (*self._listeners.values(), *self._left.values()):
            listener.leave()

    def is_left(self, target: str) -> bool:
        """Whether the program of an ended link still listens there."""
        listener = self._left.get(target)
        return listener is not None and not listener.over

    async def start_round(self) -> list[asyncio.Task[None]]:
        """Begin the check that is due for each link, unless an earlier one still runs."""
        over = self._over.copy()
        running = await run_in_threadpool(self._store.running, self._settings.satellite_networks.keys(), self._clock())
        self._forget({link.name: link for link in running})
        self._over -= over - self._known.keys()
        busy = Counter(self._checking.values())
        started = []
        for count, link in enumerate(running):
            if link.name not in self._under_way and (work := self._work(link, busy)):
                self._under_way[link.name] = task = asyncio.create_task(self._guarded(link.name, work))
                started.append(task)
            if count % SLICE == SLICE - 1:
                await asyncio.sleep(SLICE_SECONDS)
        for target, listener in list(self._left.items()):
            started.append(_held(self._visits, self._guarded(target, self._visit(target, listener))))
        return started

    def _forget(self, running: dict[str, Link]) -> None:
        self._due = {name: self._due.get(name, 0.0) for name in running}
        self._under_way = {name: task for name, task in self._under_way.items() if not task.done()}
        self._checking = {name: address for name, address in self._checking.items() if name in self._under_way}
        for name in self._listeners.keys() - running.keys():
            self._leave(name)
        self._known = running

    def _leave(self, name: str) -> None:
        listener, link = self._listeners.pop(name), self._known.get(name)
        self._met.pop(name, None)
        if link is None or link.state != READY or listener.over or listener.brief:
            listener.leave()
            return
        self._left[link.target] = listener
        while len(self._left) > MOST_LEFT:
            self._left.pop(next(iter(self._left))).leave()

    async def _visit(self, target: str, listener: Listener) -> None:
        async with self._knocks:
            found = await listener.knock()
        if found is not Found.HTTP:
            listener.leave()
            if self._left.get(target) is listener:
                del self._left[target]

    def _work(self, link: Link, busy: Counter[str]) -> Coroutine[None, None, None] | None:
        now, listener, address = self._ticks(), self._listeners.get(link.name), _address(link)
        if now >= self._due[link.name] and busy[address] < CHECKS_PER_ADDRESS:
            self._due[link.name] = now + self._pause(link, listener)
            self._checking[link.name] = address
            busy[address] += 1
            return self._check(link)
        if listener and not listener.silent:
            return self._knock(link, listener)
        return None

    def _pause(self, link: Link, listener: Listener | None) -> float:
        eager = self._age(link) < EAGER_SECONDS or listener is not None
        return 0.0 if link.state == STARTING and eager else CHECK_SECONDS

    def _age(self, link: Link) -> float:
        return self._clock() - (link.expires_at - link.seconds)

    async def _guarded(self, what: str, work: Coroutine[None, None, object]) -> None:
        try:
            await work
        except RegistryError:
            # The link ended meanwhile, or its port was another link's until lately: the next round decides.
            return
        except (SQLAlchemyError, OSError) as error:
            audit.problem(f"looking after {what}: {explain(error)}")
        except Exception:  # nobody awaits a check, and without rounds every link would end with its lease
            audit.problem(f"looking after {what}: unexpected error", traceback=True)

    async def _knock(self, link: Link, listener: Listener) -> None:
        async with self._knocks:
            if await listener.knock() is Found.NOBODY:
                await self._end(link)

    async def _check(self, link: Link) -> None:
        async with self._slots[link.state]:
            if link.name in self._over:
                await self._end(link)
            else:
                await (self._keep(link) if link.state == READY else self._open(link))

    async def _open(self, link: Link) -> None:
        address, port = targets.parts_of(link.announced)
        listener = self._listeners.get(link.name) or await self._meet(link, address, port)
        if listener is None or self.is_left(link.announced):
            return
        if await listener.knock() is Found.NOBODY:
            await self._end(link)
        elif self._settled(link):
            await run_in_threadpool(self._publisher.require_free, link, address, port, listener.own_ends)
            await run_in_threadpool(self._publisher.publish, link, link.announced)
            self._record("satellite-publish", link, link.announced, "")

    def _settled(self, link: Link) -> bool:
        stands = self._clock() - self._met.get(link.name, 0.0)
        came_after = self._age(link) - stands
        return came_after < EAGER_SECONDS or stands >= SETTLE_SECONDS

    async def _meet(self, link: Link, address: targets.Address, port: int) -> Listener | None:
        """Bind the link to the program that answers first."""
        answer = await self._ask(link, address, port)
        if answer.found is not Found.HTTP:
            return None
        listener = await self._stand_by(link, address, port)
        if listener:
            self._met[link.name] = self._clock()
            await run_in_threadpool(self._store.note_program, link.name, link.cluster, answer.mark)
        return listener

    async def _stand_by(self, link: Link, address: targets.Address, port: int) -> Listener | None:
        listener = Listener(address, port)
        if await listener.knock() is not Found.HTTP:
            return None
        if (await self._ask(link, address, port)).found is not Found.HTTP or listener.over:
            # It serves one connection at a time, or closes idle ones at once.
            listener.leave()
            listener = Listener(address, port)
            listener.brief = True
        listener.when_gone = partial(self._gone, link.name)
        self._listeners[link.name] = listener
        return listener

    async def _keep(self, link: Link) -> None:
        address, port = targets.parts_of(link.target)
        # Only unbroken checks show that it is still the same program. After a gap, it may be any other.
        lapsed = link.lease_until <= self._clock()
        listener = self._listeners.get(link.name)
        answer = Answer(Found.STRANGER) if lapsed else await self._ask(link, address, port)
        if listener and listener.over:
            # The program ended meanwhile, and its link is being ended: another one may have answered.
            return
        if answer.found is Found.SILENCE:
            if listener:
                listener.silent = True
        elif answer.found is not Found.HTTP or not same_program(link.program_mark, answer.mark):
            await self._end(link)
        else:
            await self._renew(link, listener or await self._stand_by(link, address, port))

    async def _renew(self, link: Link, listener: Listener | None) -> None:
        if listener is None:
            # It answered, but accepted no connection a moment later.
            self._due[link.name] = 0.0
        elif await listener.knock() is Found.NOBODY:
            await self._end(link)
        else:
            await run_in_threadpool(self._links.heartbeat, link)

    async def _ask(self, link: Link, address: targets.Address, port: int) -> Answer:
        return await ask(address, port, self._settings.host(link.name))

    def _gone(self, name: str) -> None:
        link = self._known.get(name)
        if link is None:
            # The link ended before its program.
            return
        self._over.add(name)
        self._routing.shut(name)
        _held(self._ending, self._guarded(name, self._end(link)))

    async def _end(self, link: Link) -> None:
        listener = self._listeners.pop(link.name, None)
        self._met.pop(link.name, None)
        if listener:
            listener.leave()
        self._over.add(link.name)
        self._routing.shut(link.name)
        ended = await run_in_threadpool(self._links.end, link, GONE)
        if ended.reason == GONE.reason:
            self._record(SATELLITE.end_action, link, link.target or link.announced, GONE.cause)

    def _record(self, action: str, link: Link, target: str, reason: str) -> None:
        audit.record(audit.Event(action, "ok", link.cluster, link.user, link.name, target=target, reason=reason))


def _held(tasks: set[asyncio.Task[None]], work: Coroutine[None, None, None]) -> asyncio.Task[None]:
    # The event loop keeps only weak references to tasks.
    task = asyncio.get_running_loop().create_task(work)
    tasks.add(task)
    task.add_done_callback(tasks.discard)
    return task


def _address(link: Link) -> str:
    return (link.target or link.announced).rpartition(":")[0]
