"""Runs a cell in a notebook through its link as other programs than browsers do: the token in a header, no Origin.

VS Code and similar programs work in this way; tests with a browser cover the other.
"""

from __future__ import annotations

import base64
import json
import os
import socket
import struct
import uuid
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import httpx

from support import bed

SECONDS = 60
TEXT, CLOSE, PING = 1, 8, 9


def run(notebook: bed.Notebook, code: str, *, by_address: bool = False) -> str:
    """Return what a cell printed, in a kernel of its own; an exception in the cell fails the test.

    Args:
        notebook: where to run it.
        code: the cell.
        by_address: show the token in the WebSocket's address, as jupyter_nbmodel_client does, instead of in a header.
    """
    with bed.client(_host(notebook), headers={"Authorization": f"token {notebook.token}"}) as browser:
        made = browser.post("/api/kernels", json={})
        assert made.status_code == httpx.codes.CREATED, made.text
        kernel = made.json()["id"]
        with closing(_open(notebook, kernel, by_address=by_address)) as channel:
            printed = "".join(_execute(channel, code))
        assert browser.delete(f"/api/kernels/{kernel}").is_success
    return printed.strip()


def _host(notebook: bed.Notebook) -> str:
    return f"{notebook.name}.{bed.DOMAIN}"


def _open(notebook: bed.Notebook, kernel: str, *, by_address: bool) -> socket.socket:
    plain = socket.create_connection(("127.0.0.1", bed.PORT), timeout=SECONDS)
    secure = bed.trust().wrap_socket(plain, server_hostname=_host(notebook))
    query = f"session_id={uuid.uuid4().hex}" + (f"&token={notebook.token}" if by_address else "")
    lines = [
        f"GET /api/kernels/{kernel}/channels?{query} HTTP/1.1",
        f"Host: {_host(notebook)}:{bed.PORT}",
        *([] if by_address else [f"Authorization: token {notebook.token}"]),
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}",
    ]
    secure.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
    answer = b""
    while not answer.endswith(b"\r\n\r\n"):
        answer += _exactly(secure, 1)
    assert answer.startswith(b"HTTP/1.1 101 "), answer
    return secure


def _execute(channel: socket.socket, code: str) -> Iterator[str]:
    asked = uuid.uuid4().hex
    header = {"msg_id": asked, "msg_type": "execute_request", "username": "", "session": asked, "version": "5.3"}
    content = {"code": code, "silent": False, "store_history": False, "allow_stdin": False, "stop_on_error": True}
    empty: dict[str, Any] = {"parent_header": {}, "metadata": {}, "buffers": []}
    _send(channel, json.dumps({"channel": "shell", "header": header, "content": content, **empty}).encode())
    for message in _messages(channel):
        if message["parent_header"].get("msg_id") != asked:
            continue
        told = message["content"]
        assert message["msg_type"] != "error", "\n".join(told["traceback"])
        if message["msg_type"] == "stream" and told["name"] == "stdout":
            yield told["text"]
        if message["msg_type"] == "status" and told["execution_state"] == "idle":
            return


def _send(channel: socket.socket, data: bytes, kind: int = TEXT) -> None:
    mask = os.urandom(4)
    length = struct.pack(">BBH", 0x80 | kind, 0x80 | 126, len(data))
    channel.sendall(length + mask + bytes(byte ^ mask[index % 4] for index, byte in enumerate(data)))


def _messages(channel: socket.socket) -> Iterator[dict[str, Any]]:
    pending = b""
    while True:
        first, second = _exactly(channel, 2)
        size = second & 0x7F
        if size >= 126:
            size = int.from_bytes(_exactly(channel, 2 if size == 126 else 8), "big")
        data = _exactly(channel, size)
        assert first & 0x0F != CLOSE, "the notebook closed the channel"
        if first & 0x0F == PING:
            _send(channel, data, 10)
        elif first & 0x80:
            yield json.loads(pending + data)
            pending = b""
        else:
            pending += data


def _exactly(channel: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = channel.recv(size - len(data))
        assert more, "the connection ended"
        data += more
    return data
