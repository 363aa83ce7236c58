"""The part of link_life.py that runs on the compute node: plain Python, links as JSON on standard input."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

TOLD = json.load(sys.stdin)
FOLDER = Path(tempfile.mkdtemp())
TRUST = ssl.create_default_context(cadata=TOLD["authority"])


def connection(host: str) -> http.client.HTTPSConnection:
    """Return an open connection to the proxy."""
    opened = http.client.HTTPSConnection(host, TOLD["port"], context=TRUST, timeout=30)
    opened.connect()
    return opened


def ask(
    opened: http.client.HTTPSConnection, method: str, path: str, secret: str = "", **body: object
) -> tuple[int, Any]:
    """Send one request and return status and body."""
    headers = {"Authorization": f"Bearer {secret}"} if secret else {}
    opened.request(method, path, json.dumps(body) if method == "POST" else None, headers)
    answer = opened.getresponse()
    return answer.status, answer.read()


def serve(listener: socket.socket, context: ssl.SSLContext) -> None:
    """Answer every request with two letters, until the listener is closed."""
    with contextlib.suppress(OSError):
        while True:
            plain, _ = listener.accept()
            threading.Thread(target=answer_all, args=[plain, context], daemon=True).start()


def answer_all(plain: socket.socket, context: ssl.SSLContext) -> None:
    """Answer the requests of one connection."""
    # As Jupyter's server does; otherwise each first answer waits for the client's acknowledgement.
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with contextlib.suppress(OSError), context.wrap_socket(plain, server_side=True) as secure:
        while secure.recv(65536):
            secure.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK")


def identity(registry: http.client.HTTPSConnection, link: dict[str, Any], host: str) -> ssl.SSLContext:
    """Claim the link and return what its notebook serves with."""
    key = FOLDER / "key.pem"
    command = ["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    command += ["-keyout", str(key), "-subj", "/CN=x", "-addext", f"subjectAltName=DNS:{host}"]
    csr = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    status, body = ask(registry, "POST", f"/v1/links/{link['name']}/claim", link["secret"], csr=csr)
    if status != http.client.OK:
        raise SystemExit(f"claim: {status} {body}")
    (FOLDER / "certificate.pem").write_text(json.loads(body)["certificate"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(FOLDER / "certificate.pem", key)
    return context


def live(registry: http.client.HTTPSConnection, link: dict[str, Any]) -> dict[str, float]:
    """One link from its notebook's first answer to its end; times in milliseconds."""
    host, path = f"{link['name']}.{TOLD['domain']}", f"/v1/links/{link['name']}"
    context = identity(registry, link, host)
    browser = connection(host)
    listener = socket.create_server(("0.0.0.0", link["port"]), backlog=64)  # noqa: S104
    threading.Thread(target=serve, args=[listener, context], daemon=True).start()
    begin = time.perf_counter()
    published, body = ask(registry, "POST", f"{path}/target", link["secret"], port=link["port"])
    first, _ = ask(browser, "GET", "/api")
    alive = time.perf_counter()
    if published != http.client.OK:
        raise SystemExit(f"target: {published} {body}")
    ask(registry, "POST", f"{path}/end", link["secret"])
    while ask(browser, "GET", "/api")[0] == http.client.OK:
        pass
    over = time.perf_counter()
    listener.close()
    return {"missed": first != http.client.OK, "activation": (alive - begin) * 1e3, "end": (over - alive) * 1e3}


registry = connection(TOLD["registry"])
print(json.dumps([live(registry, link) for link in TOLD["links"]]))
