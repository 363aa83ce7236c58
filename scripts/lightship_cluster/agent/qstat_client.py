"""Asks the unit that runs PBS's `qstat` for the agent."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lightship_cluster.agent.qstat_protocol import LONGEST_ANSWER, BadMessage, receive, send
from lightship_cluster.core.errors import ExitStatus, LightshipError, why
from lightship_cluster.schedulers.base import TIMEOUT_SECONDS
from lightship_cluster.schedulers.pbs_asking import Done, Qstat

# Another thread of the agent may be served first, and each call may take qstat's whole timeout.
PATIENCE_SECONDS = 2 * TIMEOUT_SECONDS + 10
USER = "lightship-qstat"


def qstat_at(path: Path) -> Qstat:
    """The `qstat` of the unit that listens on the socket at this path."""
    return Qstat(lambda arguments: _asked(path, arguments), USER)


def _asked(path: Path, arguments: Sequence[str]) -> Done:
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(PATIENCE_SECONDS)
            connection.connect(str(path))
            send(connection, {"arguments": list(arguments)})
            answer = receive(connection, PATIENCE_SECONDS, LONGEST_ANSWER)
    except (OSError, BadMessage) as error:
        raise LightshipError(
            f"lightship-qstat, which runs qstat for the agent, does not answer ({path}: {why(error)}). "
            "Look at: systemctl status lightship-qstat.socket lightship-qstat.service",
            ExitStatus.SCHEDULER,
        ) from error
    return _done(["qstat", *arguments], answer)


def _done(command: list[str], answer: dict[str, Any]) -> Done:
    status, printed, complaints = (answer.get(key) for key in ("status", "printed", "complaints"))
    if isinstance(status, int) and isinstance(printed, str) and isinstance(complaints, str):
        return Done(command, status, printed, complaints)
    said = answer.get("error")
    raise LightshipError(str(said or "lightship-qstat gave no answer."), ExitStatus.SCHEDULER)
