"""WebSockets to a notebook of the bed, as JupyterLab keeps them open."""

from __future__ import annotations

import base64
import select
import socket
import ssl

import bed


def websocket(notebook: bed.Notebook) -> ssl.SSLSocket:
    """Return an open WebSocket to a notebook's stream of events, as JupyterLab opens one."""
    host = f"{notebook.name}.{bed.DOMAIN}"
    plain = socket.create_connection(("127.0.0.1", bed.PORT), timeout=20)
    secure = bed.trust().wrap_socket(plain, server_hostname=host)
    lines = [
        f"GET /api/events/subscribe?token={notebook.token} HTTP/1.1",
        f"Host: {host}:{bed.PORT}",
        f"Origin: {notebook.origin}",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Key: {base64.b64encode(bytes(16)).decode()}",
    ]
    secure.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
    assert secure.recv(4096).startswith(b"HTTP/1.1 101 ")
    return secure


def is_cut(connection: ssl.SSLSocket, seconds: float) -> bool:
    """Whether the other side ends the connection within the seconds."""
    if not select.select([connection], [], [], seconds)[0]:
        return False
    try:
        return connection.recv(4096) == b""
    except OSError:
        return True
