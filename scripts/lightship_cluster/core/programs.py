"""How other programs are run: with exactly the environment given, without input, and not for ever."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path


def run_program(
    command: Sequence[str], environment: Mapping[str, str], seconds: float, folder: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a program and keep what it prints; what a failure means is for the caller to say."""
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
    # subprocess's own text mode would make a line feed of a lone carriage return: a scheduler also prints what other
    # users wrote, and with one of those they could begin a line.
    return printed.decode("utf-8", "replace")
