"""A stand-in: passes everything on to the bed's Pebble, but answers each new order with 429, which Pebble cannot.

It runs on the host of Pebble's, with the standard library alone.
"""

from __future__ import annotations

import http.client
import http.server
import json
import ssl

PORT, PEBBLE = 14003, 14000
FOLDER = "/etc/pebble"
RETRY_SECONDS = 7200
ORDER = "/order-plz"
HOP = {"connection", "transfer-encoding", "content-length"}


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers one request."""

    def _answer(self) -> None:
        sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path == ORDER:
            problem = {
                "type": "urn:ietf:params:acme:error:rateLimited",
                "detail": "too many certificates (5) already issued for this exact set of identifiers",
            }
            self._send(429, json.dumps(problem).encode(), {"Retry-After": f"{RETRY_SECONDS}"})
            return
        context = ssl._create_unverified_context()  # noqa: S323 - the same host
        upstream = http.client.HTTPSConnection("localhost", PEBBLE, context=context, timeout=20)
        # Pebble makes its addresses from the name by which it was asked: they lead here again.
        upstream.request(self.command, self.path, sent or None, dict(self.headers.items()))
        got = upstream.getresponse()
        head = {key: value for key, value in got.getheaders() if key.lower() not in HOP | {"date"}}
        self._send(got.status, got.read(), head)

    do_GET = do_HEAD = do_POST = _answer  # noqa: N815 - the library's names

    def _send(self, status: int, body: bytes, head: dict[str, str]) -> None:
        self.send_response(status)
        for key, value in ({"Content-Type": "application/problem+json"} | head).items():
            self.send_header(key, value)
        self.send_header("Content-Length", f"{len(body)}")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


if __name__ == "__main__":
    server = http.server.ThreadingHTTPServer(("", PORT), Handler)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(f"{FOLDER}/cert.pem", f"{FOLDER}/key.pem")
    server.socket = tls.wrap_socket(server.socket, server_side=True)
    server.serve_forever()
