"""From publishing a link to its first answer, and the CPU of the server for one link's coming and going."""

from __future__ import annotations

import asyncio
import time

from peers import client
from peers.links import Link
from peers.measures.base import Figures, Subject, percentile

NAME = "activation"
LINKS = 10
MOST_SECONDS = 20.0
OK = 200


async def _activate(subject: Subject) -> Figures:
    trust = client.context(subject.authority)
    times: list[float] = []
    failed = 0
    before = subject.server.cpu_seconds()
    first = subject.known + subject.round * LINKS
    begin_all = time.monotonic()
    for number in range(first, first + LINKS):
        link = Link(number)
        begin = time.monotonic()
        await asyncio.to_thread(subject.server.publish, link)
        while await client.status(link, subject.server.port, trust) != OK:
            if time.monotonic() - begin > MOST_SECONDS:
                failed += 1
                break
        else:
            times.append((time.monotonic() - begin) * 1000)
        await asyncio.to_thread(subject.server.remove, link)
        if time.monotonic() - begin_all > MOST_SECONDS:
            break
    used = subject.server.cpu_seconds() - before
    times.sort()
    return {
        "activation_p50_ms": percentile(times, 0.5),
        "activation_worst_ms": percentile(times, 1),
        "activation_failed": float(failed),
        "activation_cpu_ms_per_link": used / max(1, len(times) + failed) * 1000,
    }


def measure(subject: Subject) -> Figures:
    """Return how long links take to come alive, one after the other."""
    return asyncio.run(_activate(subject)) if subject.server.routes else {}
