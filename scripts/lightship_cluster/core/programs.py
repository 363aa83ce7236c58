"""Runs other programs with exactly the given environment, without input and with a timeout."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path


def run_program(
    command: Sequence[str], environment: Mapping[str, str], seconds: float, folder: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a program and return what it printed; the caller judges its exit status."""
    done = subprocess.run(
        list(command),
        env=environment,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=seconds,
        check=False,
    )
    return subprocess.CompletedProcess(done.args, done.returncode, _text(done.stdout), _text(done.stderr))


def _text(printed: bytes) -> str:
    # subprocess's text mode would turn a lone carriage return into a line feed. A scheduler also prints texts of other
    # users: with a carriage return they could begin a line of their own.
    return printed.decode("utf-8", "replace")
