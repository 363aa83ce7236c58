"""Refuses variables that name another server of the scheduler: a job there cannot be followed from this login node."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence

from lightship_cluster.core.errors import ExitStatus, LightshipError
from lightship_cluster.schedulers.base import ask


def require_own_server(names: Sequence[str], command: Sequence[str], printed: str) -> None:
    """Refuse the variables if they lead to another scheduler than without them; a site may need them for its own.

    Args:
        names: the variables.
        command: the command that prints the scheduler's name.
        printed: the pattern of the name in its output.
    """
    named = [name for name in names if os.environ.get(name)]
    if not named:
        return
    theirs, ours = _name(command, printed, {}), _name(command, printed, dict.fromkeys(named))
    if theirs and ours and theirs != ours:
        raise LightshipError(
            f"{named[0]}={os.environ[named[0]]} leads to {theirs}, and this login node is one of {ours}: a job there "
            f"cannot be followed from here. Type: unset {' '.join(named)}",
            ExitStatus.USAGE,
        )


def _name(command: Sequence[str], printed: str, without: Mapping[str, None]) -> str:
    try:
        found = re.search(printed, ask(command, without).stdout, re.MULTILINE)
    except LightshipError:
        return ""
    return found[1] if found else ""
