"""Stand-ins for the parts that the unit tests do without; the test bed has the real ones."""

from __future__ import annotations

import json
import ssl
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

Reply = tuple[int, Any]

# Pathlib fails for it as it does behind a folder that may not be entered; and for root, every folder may be.
NAME_TOO_LONG = "x" * 300


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
class StubRegistry:
    """Not the registry: answers what a test tells it to, over real TLS."""

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
    """What the links authority does, with the stub's own key."""
    asked, signed = folder / "request.pem", folder / "signed.pem"
    asked.write_text(request, "ascii")
    authority = ["-CA", str(folder / "links.crt"), "-CAkey", str(folder / "links.key"), "-CAcreateserial"]
    openssl("x509", "-req", "-in", str(asked), *authority, "-days", "1", "-out", str(signed))
    return signed.read_text("ascii") + (folder / "links.crt").read_text("ascii")


@contextmanager
def stub_registry(folder: Path) -> Iterator[StubRegistry]:
    certificate, key = self_signed(folder, "registry")
    stub = StubRegistry("", certificate)

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, value = stub.reply(Asked(self.command, self.path, dict(self.headers), body))
            data = value if isinstance(value, bytes) else json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            for name, text in stub.headers.items():
                self.send_header(name, text)
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = _answer  # noqa: N815 - names of the base class

        def log_message(self, *_: Any) -> None:
            pass

    with serving(("127.0.0.1", 0), Handler, certificate, key) as port:
        stub.url = f"https://127.0.0.1:{port}"
        yield stub


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


def program(path: Path, text: str) -> Path:
    """An executable file: a stand-in for a command on PATH."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
    return path


def installed_jupyter(prefix: Path, version: str = "2.21.1", *programs: str) -> Path:
    """An environment laid out as pip does it, with the command `jupyter` and others beside it."""
    for name in ("jupyter", *programs):
        program(prefix / "bin" / name, f"#!{prefix}/bin/python3\n")
    packages = prefix / "lib" / "python3.12" / "site-packages"
    for name in (f"jupyter_server-{version}", "jupyter_server_terminals-0.5"):
        (packages / f"{name}.dist-info").mkdir(parents=True, exist_ok=True)
    return prefix / "bin" / "jupyter"


# Behaves like Jupyter as far as register-jupyter can see: settings, runtime file, mutual TLS, SIGTERM.
JUPYTER = f"""#!{sys.executable}
import json, os, pathlib, signal, socket, ssl, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
told = json.loads(pathlib.Path(os.environ["JUPYTER_CONFIG_PATH"].split(":")[0], "lightship.json").read_text())
given = told["server"]
print("environment", json.dumps(dict(os.environ)), flush=True)
print("arguments", json.dumps(sys.argv), flush=True)
print("told", json.dumps(told), flush=True)
if os.environ.get("STAND_IN") == "fails":
    sys.exit("no module named jupyter")
port = int(given["port"]) + (os.environ.get("STAND_IN") == "next-port")
robbed = pathlib.Path(given["certfile"]).with_name("robbed")
if os.environ.get("STAND_IN") == "robbed" or os.environ.get("STAND_IN") == "robbed-once" and not robbed.exists():
    robbed.touch()
    # Another process of the node, which was quicker.
    quicker = socket.create_server((given["ip"], port))
    if os.fork() == 0:
        os.setsid()
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.alarm(5)
        signal.pause()
    sys.exit("Address already in use")
token = pathlib.Path(os.environ["JUPYTER_TOKEN_FILE"]).read_text()
if os.environ.get("STAND_IN") == "own-token":
    token = ""
server = "nbserver" if os.environ.get("STAND_IN") == "old-server" else "jpserver"
runtime = pathlib.Path(os.environ["JUPYTER_RUNTIME_DIR"], f"{{server}}-{{os.getpid()}}.json")
if os.environ.get("STAND_IN") != "unguarded":
    runtime.with_name("guarded").touch()
runtime.write_text(json.dumps({{"port": port, "token": token}}))
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(given["certfile"], given["keyfile"])
context.load_verify_locations(given["client_ca"])
context.verify_mode = ssl.CERT_REQUIRED
listener = socket.create_server((given["ip"], port))
if os.environ.get("STAND_IN") in ("shut-down", "robbed-once"):
    signal.alarm(1)
    signal.signal(signal.SIGALRM, lambda *_: sys.exit(0))
while True:
    connection, _ = listener.accept()
    try:
        context.wrap_socket(connection, server_side=True).close()
    except OSError:
        connection.close()
"""
