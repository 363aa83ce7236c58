"""What all checks of the doctor share: their findings, and how they ask programs of the host."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

OK, NOTE, WARNING, WRONG = "ok", "note", "warning", "wrong"
# No program is waited for longer.
SECONDS = 10.0


@dataclass(frozen=True)
class Finding:
    """One line of the doctor's output: a level, what was found, and what to do about it."""

    level: str
    what: str
    remedy: str = ""
    # The name of the check that found it, for programs.
    check: str = ""
    # When the thing that was checked expires; 0 if it does not.
    ends: float = 0.0
    # Why something failed, as a word of a fixed list, for the metrics.
    reason: str = ""
    # Whose certificate it was, if not the public one.
    workstation: str = ""


def ok(what: str) -> Finding:
    """In order."""
    return Finding(OK, what)


def note(what: str, remedy: str = "") -> Finding:
    """Worth knowing, but no failure: no reason to wake anybody."""
    return Finding(NOTE, what, remedy)


def warning(what: str, remedy: str) -> Finding:
    """It works, but may stop working."""
    return Finding(WARNING, what, remedy)


def wrong(what: str, remedy: str) -> Finding:
    """The service, or its protection, fails for somebody."""
    return Finding(WRONG, what, remedy)


def output(command: Sequence[str]) -> str:
    """The output of a program; empty if the program cannot be run."""
    return run(command)[1]


def run(command: Sequence[str]) -> tuple[int, str]:
    """The exit status and the output of a program; -1 and nothing if it cannot be run."""
    try:
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=SECONDS, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return -1, ""
    return done.returncode, done.stdout.strip()


def unit(name: str, *properties: str) -> dict[str, str]:
    """The properties of a systemd unit; times are seconds since 1970 after an @."""
    wanted = ",".join(("LoadState", "ActiveState", *properties))
    lines = output(["systemctl", "show", "--timestamp=unix", f"--property={wanted}", name]).splitlines()
    return {key: value for key, _, value in (line.partition("=") for line in lines)}
