"""The questions that the agent may send to the unit that runs `qstat` for it: about jobs, nothing else.

Both sides have the same list of questions. The unit refuses everything else: otherwise somebody who took over the agent
could give qstat any options, files and servers.
"""

from __future__ import annotations

import json
import re
import socket
import time
from collections.abc import Sequence
from typing import Any

from lightship_cluster.schedulers.pbs_asking import SERVER

# The options for running jobs, and for finished ones too; a delimiter and the jobs' numbers follow.
_ABOUT_JOBS = (("-E", "-f", "-F", "dsv", "-D"), ("-E", "-x", "-f", "-F", "dsv", "-D"))
_DELIMITER = re.compile(r"[0-9a-f]{32}")
# Without the name of a server: qstat would connect to any.
_NUMBER = re.compile(r"0|[1-9][0-9]{0,11}")
MOST_JOBS = 5000
# 5,000 numbers of jobs in JSON.
LONGEST_QUESTION = 1 << 18
# 5,000 jobs with variables of 12 KiB.
LONGEST_ANSWER = 1 << 26
PIECE = 1 << 16


class BadMessage(Exception):  # noqa: N818 - the name says what came
    """The other side did not send one JSON object in time."""


def allowed(arguments: Sequence[str]) -> bool:
    """Whether these arguments are an allowed question."""
    return tuple(arguments) == SERVER or any(_is_about_jobs(flags, arguments) for flags in _ABOUT_JOBS)


def send(connection: socket.socket, message: dict[str, Any]) -> None:
    """Send one JSON object and close this end."""
    connection.sendall(json.dumps(message).encode("ascii"))
    connection.shutdown(socket.SHUT_WR)


def receive(connection: socket.socket, seconds: float, longest: int) -> dict[str, Any]:
    """Read the JSON object that the other side sends before it closes its end; all of it within the seconds."""
    deadline = time.monotonic() + seconds
    pieces: list[bytes] = []
    size = 0
    while True:
        left = deadline - time.monotonic()
        if left <= 0:
            raise BadMessage("no answer in time")
        connection.settimeout(left)
        piece = _piece(connection)
        if not piece:
            return _object(b"".join(pieces))
        pieces.append(piece)
        size += len(piece)
        if size > longest:
            raise BadMessage(f"more than {longest} bytes")


def _is_about_jobs(flags: Sequence[str], arguments: Sequence[str]) -> bool:
    size = len(flags)
    delimiter, numbers = arguments[size : size + 1], arguments[size + 1 :]
    return (
        tuple(arguments[:size]) == flags
        and all(map(_DELIMITER.fullmatch, delimiter))
        and 1 <= len(numbers) <= MOST_JOBS
        and all(map(_NUMBER.fullmatch, numbers))
    )


def _piece(connection: socket.socket) -> bytes:
    try:
        return connection.recv(PIECE)
    except socket.timeout as error:
        raise BadMessage("no answer in time") from error


def _object(data: bytes) -> dict[str, Any]:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise BadMessage("no JSON") from error
    if not isinstance(value, dict):
        raise BadMessage("no JSON object")
    return value
