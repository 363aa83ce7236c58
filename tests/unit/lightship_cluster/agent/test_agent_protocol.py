from __future__ import annotations

import socket
import time

import pytest

from lightship_cluster.agent.agent_protocol import LINE_LIMIT, BadLine, read_line, write_line


def test_a_line_arrives_in_pieces() -> None:
    left, right = socket.socketpair()
    with left, right:
        for piece in (b'{"op"', b': "pi', b'ng"}\n'):
            left.sendall(piece)
        assert read_line(right, 1) == {"op": "ping"}


def test_what_is_written_can_be_read() -> None:
    left, right = socket.socketpair()
    with left, right:
        write_line(left, {"error": "ü\nline"}, 1)
        assert read_line(right, 1) == {"error": "ü\nline"}


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"x" * (LINE_LIMIT + 10), "at most"),
        (b"nonsense\n", "not JSON"),
        (b"[" * 8000 + b"\n", "not JSON"),
        (b"[1]\n", "not a JSON object"),
        (b"\xff\n", "not JSON"),
        (b'{"op":', "closed"),
    ],
)
def test_anything_else_is_refused(data: bytes, why: str) -> None:
    left, right = socket.socketpair()
    with left, right:
        left.sendall(data)
        left.shutdown(socket.SHUT_WR)
        with pytest.raises(BadLine, match=why):
            read_line(right, 1)


def test_a_trickle_is_given_up_in_time() -> None:
    left, right = socket.socketpair()
    with left, right:
        left.sendall(b"{")
        began = time.monotonic()
        with pytest.raises(BadLine, match="in time"):
            read_line(right, 0.2)
        assert time.monotonic() - began < 1
