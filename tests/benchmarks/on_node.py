"""What the benchmarks' programs on a compute node share: requests to the proxy, and notebooks that cost little."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import http.client
import json
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

# What measures must not be what is waited for: with Python's 5 ms each of many threads would wait for all others.
sys.setswitchinterval(0.0005)

OK = http.client.OK
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK"
# RFC 6455: what a server adds to a client's key, and the frame that every message is answered with.
WEBSOCKET, WEBSOCKET_ANSWER = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11", b"\x81\x02OK"


class Connection(http.client.HTTPSConnection):
    """Asks and verifies by name; connects there, or to an address where no resolver knows the bed's names."""

    def __init__(self, host: str, port: int, trust: ssl.SSLContext, address: str = "") -> None:
        super().__init__(host, port, context=trust, timeout=30)
        self._trust = trust
        self._address = address or host

    def connect(self) -> None:
        """Open it; a request does so by itself after the proxy has closed it."""
        plain = socket.create_connection((self._address, self.port), self.timeout)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = self._trust.wrap_socket(plain, server_hostname=self.host)


class Proxy:
    """The bed's proxy."""

    def __init__(self, port: int, authority: str, address: str = "") -> None:
        self._port = port
        self._trust = ssl.create_default_context(cadata=authority)
        self._address = address

    def connection(self, host: str) -> Connection:
        """Return an open connection to the proxy."""
        opened = Connection(host, self._port, self._trust, self._address)
        opened.connect()
        return opened


def ask(opened: Connection, method: str, path: str, secret: str = "", **body: object) -> tuple[int, bytes]:
    """Send one request and return status and body."""
    headers = {"Authorization": f"Bearer {secret}"} if secret else {}
    opened.request(method, path, json.dumps(body) if method == "POST" else None, headers)
    answer = opened.getresponse()
    return answer.status, answer.read()


class Identity:
    """A key and its signing request. The registry takes only the public key from it, so one serves many links."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self._key = Path(self._folder.name) / "key.pem"
        command = ["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        command += ["-keyout", str(self._key), "-subj", "/CN=notebook"]
        self.csr = subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def context(self, claimed: bytes) -> ssl.SSLContext:
        """What a notebook serves with after this answer to its claim: to the proxy alone, as Jupyter does."""
        answer: dict[str, Any] = json.loads(claimed)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cadata=answer["client_ca"])
        with tempfile.NamedTemporaryFile("w", dir=self._folder.name) as certificate:
            certificate.write(answer["certificate"])
            certificate.flush()
            context.load_cert_chain(certificate.name, self._key)
        return context


def notebook(port: int, context: ssl.SSLContext) -> socket.socket:
    """Start one and return its listener; `stop` ends it."""
    listener = socket.create_server(("0.0.0.0", port), backlog=64)  # noqa: S104
    threading.Thread(target=_serve, args=[listener, context], daemon=True).start()
    return listener


def stop(listener: socket.socket) -> None:
    """Close the port. Shut down first: closing alone leaves the thread waiting in it."""
    with contextlib.suppress(OSError):
        listener.shutdown(socket.SHUT_RDWR)
    listener.close()


def _serve(listener: socket.socket, context: ssl.SSLContext) -> None:
    with contextlib.suppress(OSError):
        while True:
            plain, _ = listener.accept()
            threading.Thread(target=_answer_all, args=[plain, context], daemon=True).start()


def _answer_all(plain: socket.socket, context: ssl.SSLContext) -> None:
    # As Jupyter's server does; otherwise each first answer waits for the client's acknowledgement.
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with contextlib.suppress(OSError), context.wrap_socket(plain, server_side=True) as secure:
        answer = ANSWER
        while asked := secure.recv(65536):
            key = _websocket_key(asked) if answer is ANSWER else b""
            secure.sendall(_accepted(key) if key else answer)
            answer = WEBSOCKET_ANSWER if key else answer


def _websocket_key(request: bytes) -> bytes:
    for line in request.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"sec-websocket-key":
            return value.strip()
    return b""


def _accepted(key: bytes) -> bytes:
    proof = base64.b64encode(hashlib.sha1(key + WEBSOCKET).digest())  # noqa: S324 - the protocol's, no secret
    head = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    return head + b"Sec-WebSocket-Accept: " + proof + b"\r\n\r\n"
