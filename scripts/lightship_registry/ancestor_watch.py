"""Looks after the notebooks of the ancestor's links, whose jobs announce a port once and are never heard of again.

A job announces its port before Jupyter listens there. The route is opened as soon as something answers HTTP, and lives
on for as long as it goes on answering: these looks are its heartbeats. Plain HTTP proves nothing about who answers, so
a port that nobody listens at any more, or that speaks something else, ends its link at once: the next to listen there
is a stranger.
"""

from __future__ import annotations

import asyncio
from enum import Enum, auto

from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool

from lightship_registry import audit, targets
from lightship_registry.clock import Clock, steady
from lightship_registry.errors import RegistryError
from lightship_registry.links import Links
from lightship_registry.records import READY, STARTING, Cause, Ending, Link
from lightship_registry.trouble import explain

ROUND_SECONDS = 1.0
# Well within a lease, and seldom enough for the notebooks' logs.
LOOK_SECONDS = 15.0
KNOCK_SECONDS = 3.0
# So many of each kind at once: those that are announced and hang must not keep the open ones from being looked at.
LOOKS_AT_ONCE = 32
BEGINNING = b"HTTP/1."
GONE = Ending(Cause.ENDED, "Its notebook was not seen at its port any more.")
# One address, which is one user's node, must not keep the others from being looked at.
LOOKS_AT_ONE_ADDRESS = 4
# A port that was announced is tried each second at first, and seldom when nothing comes.
EAGER_SECONDS = 60.0


class Found(Enum):
    """Who is at a port."""

    HTTP = auto()
    STRANGER = auto()  # it speaks something else
    NOBODY = auto()
    SILENCE = auto()


async def knock(address: targets.Address, port: int, host: str, seconds: float = KNOCK_SECONDS) -> Found:
    """Ask as a browser would, in the clear."""
    try:
        async with asyncio.timeout(seconds):
            begins = await _beginning(address, port, host)
    except ConnectionRefusedError:
        return Found.NOBODY
    except asyncio.IncompleteReadError as error:
        return Found.STRANGER if error.partial else Found.SILENCE
    except OSError:
        return Found.SILENCE
    return Found.HTTP if begins == BEGINNING else Found.STRANGER


async def _beginning(address: targets.Address, port: int, host: str) -> bytes:
    reader, writer = await asyncio.open_connection(str(address), port)
    try:
        writer.write(f"GET /api HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode("ascii"))
        return await reader.readexactly(len(BEGINNING))
    finally:
        # Not closed politely: the peer is an untrusted user's.
        writer.transport.abort()


class AncestorWatch:
    """Goes round for as long as the service runs."""

    def __init__(self, links: Links, ticks: Clock = steady) -> None:
        self._links = links
        self._ticks = ticks
        self._due: dict[str, float] = {}
        self._under_way: dict[str, asyncio.Task[None]] = {}
        self._at: dict[str, str] = {}
        self._slots = {state: asyncio.Semaphore(LOOKS_AT_ONCE) for state in (STARTING, READY)}

    async def run(self) -> None:
        """Go round until cancelled; trouble with disk or store is told, and tried again."""
        try:
            while True:
                await asyncio.sleep(ROUND_SECONDS)
                try:
                    await self.start_round()
                except (SQLAlchemyError, OSError) as error:
                    audit.problem(f"looking after the ancestor's links: {explain(error)}")
                except Exception:  # or no link of theirs would live for longer than its lease
                    audit.problem("looking after the ancestor's links: unexpected error", traceback=True)
        finally:
            for task in self._under_way.values():
                task.cancel()

    async def start_round(self) -> list[asyncio.Task[None]]:
        """Begin a look at every link that is due for one, and that no earlier look still waits for."""
        running = await run_in_threadpool(
            self._links.ancestors.running, self._links.settings.ancestor_networks.keys(), self._links.clock()
        )
        now = self._ticks()
        self._due = {link.name: self._due.get(link.name, 0.0) for link in running}
        self._under_way = {name: task for name, task in self._under_way.items() if not task.done()}
        self._at = {name: self._at[name] for name in self._under_way}
        started = []
        for link in running:
            address = _address(link)
            busy = sum(1 for name in self._under_way if self._at.get(name) == address)
            if link.name in self._under_way or now < self._due[link.name] or busy >= LOOKS_AT_ONE_ADDRESS:
                continue
            self._due[link.name] = now + self._pause(link)
            self._at[link.name] = address
            self._under_way[link.name] = task = asyncio.create_task(self._look(link))
            started.append(task)
        return started

    def _pause(self, link: Link) -> float:
        waited = self._links.clock() - (link.expires_at - link.seconds)
        return 0.0 if link.state == STARTING and waited < EAGER_SECONDS else LOOK_SECONDS

    async def _look(self, link: Link) -> None:
        try:
            async with self._slots[link.state]:
                await (self._keep(link) if link.state == READY else self._open(link))
        except RegistryError:
            # It ended meanwhile, or its port was another link's until lately: the next round sees.
            return
        except (SQLAlchemyError, OSError) as error:
            audit.problem(f"looking after {link.name}: {explain(error)}")

    async def _open(self, link: Link) -> None:
        address, port = targets.parts_of(link.announced)
        # Before the knock: that is a connection, too.
        await run_in_threadpool(self._links.require_free, link, address, port)
        if await self._knock(link, address, port) is Found.HTTP:
            await run_in_threadpool(self._links.publish, link, link.announced)
            self._record("ancestor-publish", link, link.announced, "")

    async def _keep(self, link: Link) -> None:
        address, port = targets.parts_of(link.target)
        # Nothing but unbroken looks says that it is still the same one: after a time without, anybody may be there.
        lapsed = link.lease_until <= self._links.clock()
        found = Found.STRANGER if lapsed else await self._knock(link, address, port)
        if found is Found.HTTP:
            await run_in_threadpool(self._links.heartbeat, link)
        elif found is not Found.SILENCE:
            await run_in_threadpool(self._links.end, link, GONE)
            self._record("ancestor-end", link, link.target, GONE.cause)

    async def _knock(self, link: Link, address: targets.Address, port: int) -> Found:
        return await knock(address, port, self._links.settings.host(link.name))

    def _record(self, action: str, link: Link, target: str, reason: str) -> None:
        audit.record(audit.Event(action, "ok", link.cluster, link.user, link.name, target=target, reason=reason))


def _address(link: Link) -> str:
    return (link.target or link.announced).rpartition(":")[0]
