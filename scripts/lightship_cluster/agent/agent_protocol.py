"""The protocol between commands and the agent over the Unix socket: one line of JSON each way."""

from __future__ import annotations

import json
import socket
import time
from typing import Any

LINE_LIMIT = 8192
# Answers may be longer than questions: a user's keys have comments.
ANSWER_LIMIT = 1 << 18


class BadLine(Exception):  # noqa: N818 - the name says what came
    """The other side did not send one line of JSON in time."""


def read_line(connection: socket.socket, seconds: float, limit: int = LINE_LIMIT) -> dict[str, Any]:
    """Read one JSON object; the whole line must arrive within the seconds, however slowly its bytes come."""
    deadline = time.monotonic() + seconds
    data = b""
    while not data.endswith(b"\n"):
        left = deadline - time.monotonic()
        if left <= 0:
            raise BadLine("No line came in time.")
        connection.settimeout(left)
        chunk = _receive(connection, limit + 1 - len(data))
        if not chunk:
            raise BadLine("The connection was closed before a line was complete.")
        data += chunk
        if len(data) > limit:
            raise BadLine(f"A line may have {limit} bytes at most.")
    return _object(data)


def write_line(connection: socket.socket, value: dict[str, Any], seconds: float) -> None:
    """Send one JSON object."""
    connection.settimeout(seconds)
    connection.sendall(json.dumps(value).encode("ascii") + b"\n")


def _receive(connection: socket.socket, size: int) -> bytes:
    try:
        return connection.recv(size)
    except socket.timeout as error:
        raise BadLine("No line came in time.") from error


def _object(data: bytes) -> dict[str, Any]:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise BadLine("The line is not JSON.") from error
    if not isinstance(value, dict):
        raise BadLine("The line is not a JSON object.")
    return value
