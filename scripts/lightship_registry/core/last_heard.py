"""When each cluster's login nodes were last heard of, and how far their clock was off; kept over restarts."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lightship_registry.core.files import write_beside
from lightship_registry.core.settings import Settings

FILE = "last_heard.json"


@dataclass(frozen=True)
class Heard:
    """The last request that a cluster's key vouched for."""

    when: float
    # The time that the request bore, less ours.
    clock_offset: float


def path_of(settings: Settings) -> Path:
    """Where it is kept."""
    return settings.folders.state_dir / FILE


def load(path: Path) -> dict[str, Heard]:
    """What was kept; nothing of a file that is missing or damaged, for the next request makes it anew."""
    try:
        data = json.loads(path.read_text("utf-8"))
        return {str(cluster): Heard(float(when), float(offset)) for cluster, (when, offset) in data.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def save(path: Path, heard: Mapping[str, Heard]) -> None:
    """Keep it. Where the disk is full, others say so."""
    text = json.dumps({cluster: [one.when, one.clock_offset] for cluster, one in heard.items()})
    with contextlib.suppress(OSError):
        write_beside(path, text.encode("ascii"), 0o640)
