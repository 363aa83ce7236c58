"""Stops the service while its state is replaced, and restarts it when its certificates were."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from lightship_registry.core.errors import RegistryError

SERVICE = "lightship-registry.service"
# The socket first: a connection to it would start the service again.
UNITS = ["lightship-registry.socket", SERVICE]
SECONDS = 60.0


@contextmanager
def stopped(*, force: bool) -> Iterator[None]:
    """Refuse if the service runs; with `force`, stop it and start it again after the block."""
    # systemd restarts a failing service every half second: it could start in the middle of the work.
    running = [unit for unit in UNITS if _runs(unit, "Nothing was changed.")]
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


def restart() -> None:
    """Restart the service if it runs on this host: it reads its certificates once, when it starts."""
    # It goes on with the certificates from before until then.
    if _runs(SERVICE, f"Restart it: systemctl try-restart {SERVICE}"):
        _must("try-restart", SERVICE)


def done(*arguments: str) -> bool:
    """Run systemctl; whether it succeeded."""
    return _systemctl(*arguments) is not None


def _must(*arguments: str) -> None:
    if _systemctl(*arguments) is None:
        raise RegistryError(f"systemctl {' '.join(arguments)} failed. See: journalctl -u {SERVICE}")


def _runs(unit: str, next_step: str) -> bool:
    state = _systemctl("show", "--property=ActiveState", "--value", unit)
    if state is None:
        raise RegistryError(f"systemd does not say whether {unit} runs. {next_step}")
    return state not in ("inactive", "failed")


def _systemctl(*arguments: str) -> str | None:
    """The output of systemctl; None if it fails."""
    try:
        done = subprocess.run(["systemctl", *arguments], capture_output=True, text=True, timeout=SECONDS, check=False)
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return None
    return None if done.returncode else done.stdout.strip()
