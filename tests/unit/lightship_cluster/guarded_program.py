"""The auth proxy in front of a program that checks no token, with real TLS; the program listens on loopback."""

from __future__ import annotations

import asyncio
import http.client
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from lightship_cluster.app_proxy import auth_proxy
from lightship_cluster.app_proxy.auth_proxy import AuthProxy
from lightship_cluster.core.listen_address import ListenAddress
from lightship_cluster.job.probe import pick_port, serves
from lightship_protocol.centre import Centre
from unit.lightship_cluster.fake_registry import self_signed

TOKEN = "0123456789abcdef" * 2
ORIGIN = "https://one-two-three.notebooks.test"
CONNECTIONS = 16
CENTRE = Centre("Example Centre", "help@example.org", "https://example.org/guide")
# Answers of programs that take HTTP lightly, by path.
OLDER = {
    "/unix-lines": b"HTTP/1.0 200 OK\nContent-Type: text/plain\nX-Long: a\n b\n\nodd",
    "/folded": b"HTTP/1.1 200 OK\r\nX-Long: a\r\n\tb\r\nContent-Length: 3\r\n\r\nodd",
    "/spaced": b"HTTP/1.1 200 OK\r\nX-Long : a b\r\n\r\nodd",
}
# After these its connection may be used again; after the next it may not.
KEPT = {
    "/length": b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nodd and more",
    "/chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 9\r\n\r\n3;x=y\r\nodd\r\n0\r\n\r\n+",
    "/unix-chunks": b"HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n3\nodd\n0\n\n",
    "/nothing": b"HTTP/1.1 304 Not Modified\r\nContent-Length: 3\r\n\r\n",
}
CLOSED = {
    "/no-length": b"HTTP/1.1 200 OK\r\n\r\nodd",
    "/other-coding": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "/cut": b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nodd",
    "/cut-chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nodd",
}
TWO_LENGTHS = {"/lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nodd!"}
ODD = {**OLDER, **KEPT, **CLOSED, **TWO_LENGTHS}


@dataclass
class Guarded:
    """An auth proxy, what reached the program behind it, and how the web server connects to it."""

    port: int
    context: ssl.SSLContext
    asked: list[tuple[str, str, dict[str, str], bytes]]
    connections: set[Any]
    unknown: dict[socket.socket, None]
    # The certificate, and its key, that the web server shows after the replacement of its authority.
    next_client: tuple[Path, Path] | None = None

    def connect(self) -> ssl.SSLSocket:
        plain = socket.create_connection(("127.0.0.1", self.port), 10)
        return self.context.wrap_socket(plain, server_hostname="localhost")

    def ask(
        self, method: str, path: str, headers: Mapping[str, str] = {}, body: bytes | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection("localhost", timeout=10)
        connection.sock = self.connect()
        connection.request(method, path, body, dict(headers))
        answer = connection.getresponse()
        found = answer.status, dict(answer.getheaders()), answer.read()
        connection.close()
        return found

    def cookie(self) -> str:
        return self.ask("GET", f"/?token={TOKEN}")[1]["Set-Cookie"].partition(";")[0]


def behind(asked: list[Any]) -> type[BaseHTTPRequestHandler]:
    class Program(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            if self.path == "/too-large":
                self.wfile.write(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 9\r\n\r\ntoo large")
                # Long enough for the answer to be heard, and without listening any longer.
                time.sleep(0.5)
                self.close_connection = True
                return
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            asked.append((self.command, self.path, {key.lower(): text for key, text in self.headers.items()}, body))
            if self.path in (*ODD, "/no-http"):
                self.wfile.write(ODD.get(self.path, b"200 fine\r\n\r\n"))
                self.close_connection = True
                return
            if self.path == "/early":
                self.wfile.write(b"HTTP/1.1 103 Early Hints\r\nContent-Length: 0\r\nLink: </a>\r\n\r\n")
            if self.path == "/unasked":
                self.wfile.write(b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n")
                return
            if self.headers.get("Upgrade") and self.path != "/no-websocket":
                self.send_response(101)
                self.send_header("Upgrade", "websocket")
                self.send_header("Connection", "Upgrade")
                self.end_headers()
                while piece := self.connection.recv(100):
                    self.connection.sendall(piece.upper())
                self.close_connection = True
                return
            text = b"hello from the program"
            self.send_response(200)
            self.send_header("Content-Length", str(len(text)))
            # A program that does not do what it was asked: the proxy must close all the same.
            self.send_header("Connection", "keep-alive")
            self.end_headers()
            self.wfile.write(text)
            self.close_connection = False

        do_GET = do_POST = do_PUT = _answer  # noqa: N815

        def log_message(self, *_: Any) -> None:
            pass

    return Program


class Programs(ThreadingHTTPServer):
    def handle_error(self, *_: Any) -> None:
        """Print nothing about closed connections: they may close after the test, when the output is closed."""


@pytest.fixture
def guarded(tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Guarded]:
    certificate, key = self_signed(tmp_path, "localhost")
    (tmp_path / "proxy").mkdir()
    proxy, proxy_key = self_signed(tmp_path / "proxy", "proxy")
    # Two, as while the registry replaces the authority of the proxy's certificate.
    next_proxy, next_key = self_signed(tmp_path / "proxy", "next")
    (tmp_path / "proxy_ca.pem").write_text(next_proxy.read_text() + proxy.read_text())
    for name, source in (("certificate.pem", certificate), ("key.pem", key)):
        (tmp_path / name).write_bytes(source.read_bytes())
    asked: list[Any] = []
    server = Programs(("127.0.0.1", 0), behind(asked))
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    text = certificate.read_text()
    listen = ListenAddress(
        tmp_path, "one-two-three.notebooks.test", "127.0.0.1", pick_port("127.0.0.1"), text, TOKEN, tmp_path
    )

    async def connect() -> Any:
        return await asyncio.open_connection("127.0.0.1", server.server_address[1])

    monkeypatch.setattr(auth_proxy, "MOST_CONNECTIONS", CONNECTIONS)
    auth = AuthProxy(listen, ORIGIN, connect, CENTRE)
    auth.start()
    while not serves(listen.address, listen.port, text):
        pass
    context = ssl.create_default_context(cadata=text)
    context.check_hostname = False
    context.load_cert_chain(proxy, proxy_key)
    yield Guarded(listen.port, context, asked, auth._connections, auth._unknown, (next_proxy, next_key))
    wait_until_empty(Guarded(listen.port, context, asked, auth._connections, auth._unknown))
    server.shutdown()
    server.server_close()
    assert not [text for text in (capfd.readouterr().err,) if "register-jupyter" in text]


def wait_until_empty(guarded: Guarded) -> None:
    deadline = time.monotonic() + 10
    while guarded.connections and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not guarded.connections, "somebody is still there"
