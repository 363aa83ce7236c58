"""Programs of the host that the doctor asks; none is waited for long."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

SECONDS = 10.0


def output(command: Sequence[str]) -> str:
    """What a program prints, nothing if it cannot be run."""
    return run(command)[1]


def run(command: Sequence[str]) -> tuple[int, str]:
    """A program's exit status and all that it prints; -1 and nothing if it cannot be run."""
    try:
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=SECONDS, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return -1, ""
    return done.returncode, done.stdout.strip()


def unit(name: str, *properties: str) -> dict[str, str]:
    """What systemd says of a unit; times are seconds since 1970 with an @ before them."""
    wanted = ",".join(("LoadState", "ActiveState", *properties))
    lines = output(["systemctl", "show", "--timestamp=unix", f"--property={wanted}", name]).splitlines()
    return {key: value for key, _, value in (line.partition("=") for line in lines)}
