"""Stopping the service for as long as its state is replaced."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from lightship_registry.errors import RegistryError

SERVICE = "lightship-registry.service"
# The socket first: whoever connected to it would start the service again.
UNITS = ["lightship-registry.socket", SERVICE]
SECONDS = 60.0


@contextmanager
def stopped(*, force: bool) -> Iterator[None]:
    """Refuse while the service runs, or stop it and start it again if forced."""
    running = [unit for unit in UNITS if _systemctl("is-active", "--quiet", unit) == 0]
    if not running:
        yield
        return
    if not force:
        raise RegistryError(f"{running[0]} runs. Stop it, or let this command do so: --force")
    _must("stop", *running)
    try:
        yield
    finally:
        _must("start", *running)


def _must(*arguments: str) -> None:
    if _systemctl(*arguments) != 0:
        raise RegistryError(f"systemctl {' '.join(arguments)} failed. See: journalctl -u {SERVICE}")


def _systemctl(*arguments: str) -> int:
    try:
        return subprocess.run(["systemctl", *arguments], capture_output=True, timeout=SECONDS, check=False).returncode
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return 1
