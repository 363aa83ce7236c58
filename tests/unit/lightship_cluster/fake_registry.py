"""A fake registry: answers what a test tells it to, over real TLS. The test bed has the real one."""

from __future__ import annotations

import json
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

Reply = tuple[int, Any]


@dataclass
class Asked:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class FakeRegistry:
    url: str
    ca_file: Path
    asked: list[Asked] = field(default_factory=list)
    replies: dict[str, Reply | Callable[[Asked], Reply]] = field(default_factory=dict)
    # Sent with every answer.
    headers: dict[str, str] = field(default_factory=dict)

    def reply(self, asked: Asked) -> Reply:
        self.asked.append(asked)
        found = self.replies.get(asked.path.partition("?")[0].rpartition("/")[2], (404, {"code": "no-such-address"}))
        return found(asked) if callable(found) else found

    def actions(self) -> list[str]:
        return [asked.path.rpartition("/")[2] for asked in self.asked]


def openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)


def self_signed(folder: Path, name: str) -> tuple[Path, Path]:
    certificate, key = folder / f"{name}.crt", folder / f"{name}.key"
    names = "subjectAltName=IP:127.0.0.1,DNS:localhost"
    subject = ["-subj", f"/CN={name}", "-addext", names, "-days", "1"]
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    openssl("req", "-x509", *curve, "-keyout", str(key), "-out", str(certificate), *subject)
    return certificate, key


def sign(folder: Path, request: str) -> str:
    """What the links authority does, with the fake registry's own key."""
    asked, signed = folder / "request.pem", folder / "signed.pem"
    asked.write_text(request, "ascii")
    authority = ["-CA", str(folder / "links.crt"), "-CAkey", str(folder / "links.key"), "-CAcreateserial"]
    openssl("x509", "-req", "-in", str(asked), *authority, "-days", "1", "-out", str(signed))
    return signed.read_text("ascii") + (folder / "links.crt").read_text("ascii")


@contextmanager
def fake_registry(folder: Path) -> Iterator[FakeRegistry]:
    certificate, key = self_signed(folder, "registry")
    fake = FakeRegistry("", certificate)

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, value = fake.reply(Asked(self.command, self.path, dict(self.headers), body))
            data = value if isinstance(value, bytes) else json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            for name, text in fake.headers.items():
                self.send_header(name, text)
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = _answer  # noqa: N815 - names of the base class

        def log_message(self, *_: Any) -> None:
            pass

    with serving(("127.0.0.1", 0), Handler, certificate, key) as port:
        fake.url = f"https://127.0.0.1:{port}"
        yield fake


@contextmanager
def serving(
    address: tuple[str, int], handler: type[BaseHTTPRequestHandler], certificate: Path, key: Path
) -> Iterator[int]:
    server = ThreadingHTTPServer(address, handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
