"""The doctor's last result, for the metrics: a level for each check, and no text."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from lightship_registry.core.files import write_beside
from lightship_registry.core.settings import Settings

FILE = "doctor.json"
CHECK = re.compile(r"[a-z][a-z0-9-]{0,31}")
WORKSTATION = re.compile(r"[a-z0-9.-]{1,253}")


@dataclass(frozen=True)
class Report:
    """The worst level that each check found: 0 in order, 1 warning, 2 wrong."""

    time: float = 0.0
    levels: Mapping[str, int] = field(default_factory=dict)
    # 0 if the public certificate could not be read.
    public_certificate_ends: float = 0.0
    # Why the last renewal of the public certificate failed; empty if it did not.
    renewal_failure: str = ""
    # The same of workstations' certificates, by their names.
    workstation_failures: Mapping[str, str] = field(default_factory=dict)


def path_of(settings: Settings) -> Path:
    """The path of the file."""
    return settings.folders.state_dir / FILE


def save(path: Path, report: Report) -> None:
    """Write the report; it replaces the one before."""
    write_beside(path, json.dumps(asdict(report)).encode("ascii"), 0o640)


def load(path: Path) -> Report:
    """Read the last report. A missing or damaged file counts as empty."""
    try:
        data = json.loads(path.read_text("utf-8"))
        levels = {str(check): int(level) for check, level in data["levels"].items() if CHECK.fullmatch(check)}
        failure = str(data.get("renewal_failure", ""))
        known = failure if CHECK.fullmatch(failure) else ""
        workstations = {
            str(name): str(reason)
            for name, reason in data.get("workstation_failures", {}).items()
            if WORKSTATION.fullmatch(name) and CHECK.fullmatch(reason)
        }
        return Report(float(data["time"]), levels, float(data["public_certificate_ends"]), known, workstations)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return Report()
