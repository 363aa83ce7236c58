"""When each cluster's agents last sent a request, and their clock's offset; kept over restarts."""

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
    """The last request with a valid signature of the cluster."""

    when: float
    # The request's time minus this host's.
    clock_offset: float


def path_of(settings: Settings) -> Path:
    """The path of the file."""
    return settings.folders.state_dir / FILE


def load(path: Path) -> dict[str, Heard]:
    """Read the file. A missing or damaged one counts as empty: the next request renews it."""
    try:
        data = json.loads(path.read_text("utf-8"))
        return {str(cluster): Heard(float(when), float(offset)) for cluster, (when, offset) in data.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def save(path: Path, heard: Mapping[str, Heard]) -> None:
    """Write the file. Other parts report a full disk."""
    text = json.dumps({cluster: [one.when, one.clock_offset] for cluster, one in heard.items()})
    with contextlib.suppress(OSError):
        write_beside(path, text.encode("ascii"), 0o640)
