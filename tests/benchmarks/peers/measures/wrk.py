"""wrk, one process for each client connection, because each has a host name of its own."""

from __future__ import annotations

import math
import subprocess
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from peers.links import Link
from peers.servers.base import BenchmarkError

SCRIPT = Path(__file__).with_name("wrk.lua")


@dataclass(frozen=True)
class Answers:
    """What several wrk processes counted together; latencies in microseconds."""

    requests: int
    seconds: float
    wrong_status: int
    broken: int
    latencies: Counter[int]

    def percentile(self, share: float) -> float:
        """Return a latency in milliseconds."""
        wanted = self.latencies.total() * share
        for value in sorted(self.latencies):
            wanted -= self.latencies[value]
            if wanted <= 0:
                return value / 1000
        return math.nan


def begin(links: Sequence[Link], port: int, seconds: float) -> list[subprocess.Popen[str]]:
    """Start a client for each link."""
    duration = f"{math.ceil(seconds)}s"
    return [
        subprocess.Popen(
            [
                "wrk",
                "-t1",
                "-c1",
                "-d",
                duration,
                "--timeout",
                "10s",
                "-s",
                str(SCRIPT),
                f"https://{link.host}:{port}/",
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for link in links
    ]


def finish(clients: Sequence[subprocess.Popen[str]]) -> Answers:
    """Wait for the clients and add up what they counted.

    Raises:
        BenchmarkError: a client reported nothing.
    """
    requests = wrong = broken = 0
    seconds = 0.0
    latencies: Counter[int] = Counter()
    for client in clients:
        said, _ = client.communicate(timeout=120)
        total = None
        for line in said.splitlines():
            match line.split():
                case ["TOTAL", *numbers]:
                    total = [int(number) for number in numbers]
                case ["LATENCY", value, count]:
                    latencies[int(value)] += int(count)
                case _:
                    pass
        if total is None:
            raise BenchmarkError(f"wrk reported nothing. Its output was:\n{said[-500:]}")
        requests += total[0]
        seconds = max(seconds, total[1] / 1e6)
        wrong += total[2]
        broken += total[3]
    if not requests:
        raise BenchmarkError(f"no request of {len(clients)} clients was answered")
    return Answers(requests, seconds, wrong, broken, latencies)
