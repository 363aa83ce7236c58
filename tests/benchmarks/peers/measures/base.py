"""What every measure gets and gives."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from peers.links import Link
from peers.servers.base import Server

Figures = dict[str, float]


@dataclass(frozen=True)
class Subject:
    """A running server with its links.

    Attributes:
        known: how many links it knows; they are numbered from 0.
        links: links for the clients of this round.
        authority: what signed the proxy's certificate.
    """

    server: Server
    known: int
    links: Sequence[Link]
    authority: Path
    seconds: float
    round: int
    scratch: Path


def percentile(ordered: Sequence[float], share: float) -> float:
    """Return the value below which this share of sorted values lies; not a number when there is none."""
    if not ordered:
        return math.nan
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
