"""What one run measures, from the environment, and where its files are."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[3]
BENCHMARKS = REPOSITORY / "tests" / "benchmarks"
RESULTS = BENCHMARKS / "results"
# configurable-http-proxy is installed here by setup.sh.
NODE_MODULES = REPOSITORY / ".bed" / "peers" / "node_modules"
DOMAIN = "notebooks.example.org"


@dataclass(frozen=True)
class Settings:
    """One run.

    Attributes:
        links: numbers of links, each measured on its own.
        rounds: rounds; in each round every server is measured once, in another order.
        seconds: length of one measurement of one server.
        connections: clients' connections during requests and WebSocket echo, each to another link.
        servers: names of the servers to measure; empty for all.
        measures: names of the measures; empty for all.
        folder: scratch folder in memory, as /run is.
    """

    links: tuple[int, ...]
    rounds: int
    seconds: float
    connections: int
    servers: tuple[str, ...]
    measures: tuple[str, ...]
    folder: Path
    output: Path


def from_environment(folder: Path) -> Settings:
    """Read ROUNDS, LINKS, SECONDS, CONNECTIONS, SERVERS, MEASURES and OUTPUT."""

    def known(name: str, default: str) -> str:
        return os.environ.get(name) or default

    return Settings(
        links=tuple(int(number) for number in known("LINKS", "10 1000 10000 100000").split()),
        rounds=int(known("ROUNDS", "5")),
        seconds=float(known("SECONDS", "3")),
        connections=int(known("CONNECTIONS", "16")),
        servers=tuple(known("SERVERS", "").split()),
        measures=tuple(known("MEASURES", "").split()),
        folder=folder,
        output=Path(known("OUTPUT", str(RESULTS))),
    )
