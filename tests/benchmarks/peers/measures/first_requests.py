"""First requests: a new connection to another link each time, so that no cache of a few links helps."""

from __future__ import annotations

import asyncio
import time

from peers import client, links
from peers.measures.base import Figures, Subject, percentile

NAME = "first_requests"
AT_ONCE = 4


async def _ask(subject: Subject) -> Figures:
    trust = client.context(subject.authority)
    known = subject.known if subject.server.routes else 1
    chosen = iter(links.some(min(known, 5000), known, subject.round) * (5000 // min(known, 5000)))
    end = time.monotonic() + subject.seconds
    times: list[float] = []
    failed = 0

    async def run() -> None:
        nonlocal failed
        for link in chosen:
            begin = time.monotonic()
            if begin > end:
                return
            if await client.status(link, subject.server.port, trust) == 200:
                times.append((time.monotonic() - begin) * 1000)
            else:
                failed += 1

    before = subject.server.cpu_seconds()
    await asyncio.gather(*(run() for _ in range(AT_ONCE)))
    used = subject.server.cpu_seconds() - before
    times.sort()
    return {
        "cpu_us_per_first_request": used / max(1, len(times)) * 1e6,
        "first_p50_ms": percentile(times, 0.5),
        "first_failed": float(failed),
    }


def measure(subject: Subject) -> Figures:
    """Return the CPU of a request with both handshakes."""
    return asyncio.run(_ask(subject))
