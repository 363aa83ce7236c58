"""Runs one of Lightship's shell scripts and returns the variables it ends with, for what only a shell can read."""

from __future__ import annotations

import os
import pkgutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from lightship_cluster.core.errors import LightshipError
from lightship_cluster.environments.base import Variables, refused

TIMEOUT_SECONDS = 120.0
# Printed when the script begins.
BEGAN = b"\0lightship-began\0"
# Printed before the variables; the user's own start-up files may print before it.
MARK = b"\0lightship-variables\0"
# The shell's own variables.
_OWN = {"_", "SHLVL", "PWD", "OLDPWD"}


@dataclass(frozen=True)
class Shell:
    """The result of a script; without variables if the shell ended before the script did."""

    status: int
    said: str
    began: bool
    variables: dict[str, str]


def run_script(name: str, arguments: Sequence[str], variables: Variables, *, login: bool = False) -> Shell:
    """Run one of the scripts beside this module."""
    script = (pkgutil.get_data(__package__, name) or b"").decode("utf-8")
    bash = ["/bin/bash", "--login"] if login else ["/bin/bash"]
    try:
        done = subprocess.run(
            [*bash, "-c", script, name, *arguments],
            env=dict(variables),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
    except OSError as error:
        raise refused(f"Cannot run bash: {error.strerror}.") from error
    except subprocess.TimeoutExpired as error:
        raise refused(
            f"The environment was not there after {TIMEOUT_SECONDS:.0f} s: your shell's start-up files may wait "
            "for something. Try: bash --login -c true"
        ) from error
    _, mark, printed = done.stdout.rpartition(MARK)
    said = done.stderr.decode("utf-8", "replace")
    return Shell(done.returncode, said, BEGAN in done.stdout, _variables(printed, variables) if mark else {})


def never_began(what: str) -> LightshipError:
    """The error for a shell that the user's start-up files ended or replaced."""
    return refused(
        f"Cannot {what}: your shell's start-up files (~/.bash_profile, ~/.bashrc, or what BASH_ENV names) end the "
        "shell, or put another in its place, before anything can be loaded. Let them do so in a terminal only: "
        "[[ $- == *i* ]] && exec ..."
    )


def _variables(printed: bytes, before: Variables) -> dict[str, str]:
    pairs = (os.fsdecode(entry).partition("=") for entry in printed.split(b"\0") if b"=" in entry)
    kept = {name: value for name, _, value in pairs if name not in _OWN}
    return {**kept, **{name: before[name] for name in _OWN if name in before}}
