"""WebSockets: messages of 100 bytes and their echo; memory of connections that say nothing."""

from __future__ import annotations

import asyncio
import contextlib
import time

from peers import client
from peers.measures.base import Figures, Subject, percentile

NAME = "websockets"
MESSAGE = bytes(100)
IDLE = 300
OPEN_AT_ONCE = 20
SETTLE_SECONDS = 0.5


async def _echoes(subject: Subject) -> Figures:
    trust = client.context(subject.authority)
    opened = [await client.websocket(link, subject.server.port, trust) for link in subject.links]
    times: list[float] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while time.monotonic() < end:
            begin = time.monotonic()
            writer.write(MESSAGE)
            await asyncio.wait_for(reader.readexactly(len(MESSAGE)), 10)
            times.append((time.monotonic() - begin) * 1000)

    before = subject.server.cpu_seconds()
    end = time.monotonic() + subject.seconds
    await asyncio.gather(*(talk(*pair) for pair in opened))
    used = subject.server.cpu_seconds() - before
    for _, writer in opened:
        writer.close()
    times.sort()
    return {
        "websocket_cpu_us_per_message": used / len(times) * 1e6,
        "websocket_p50_ms": percentile(times, 0.5),
        "websocket_p99_ms": percentile(times, 0.99),
    }


async def _idle(subject: Subject) -> Figures:
    trust = client.context(subject.authority)
    gate = asyncio.Semaphore(OPEN_AT_ONCE)

    async def open_one(number: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        async with gate:
            with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError):
                reader, writer = await client.websocket(
                    subject.links[number % len(subject.links)], subject.server.port, trust
                )
                writer.write(MESSAGE)
                await asyncio.wait_for(reader.readexactly(len(MESSAGE)), 10)
                return reader, writer
            return None

    before = subject.server.memory_bytes()
    opened = [pair for pair in await asyncio.gather(*(open_one(number) for number in range(IDLE))) if pair]
    await asyncio.sleep(SETTLE_SECONDS)
    after = subject.server.memory_bytes()
    for _, writer in opened:
        writer.close()
    return {
        "websocket_idle_kb": (after - before) / max(1, len(opened)) / 1000,
        "websocket_idle_failed": float(IDLE - len(opened)),
    }


def measure(subject: Subject) -> Figures:
    """Return cost of a message and of a silent connection. Memory comes first: echo would leave buffers for reuse."""
    idle = asyncio.run(_idle(subject)) if subject.round == 0 else {}
    return {**idle, **asyncio.run(_echoes(subject))}
