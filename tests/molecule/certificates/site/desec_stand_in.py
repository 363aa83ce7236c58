#!/opt/certbot/bin/python
"""A stand-in for the API of deSEC (desec.io), which no test may ask: a MOCK of what certbot's plugin needs of it.

One domain, its TXT records, and a token. The records go to the name server of this host, where the authority looks.
As https://desec.readthedocs.io describes them: GET domains/?owns_qname=, GET domains/<domain>/rrsets/<name>.../TXT/,
and PUT domains/<domain>/rrsets/.
"""

from __future__ import annotations

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from write_challenge import change  # type: ignore[import-not-found]  # beside it, on the host

DOMAIN, TOKEN, PORT = sys.argv[1], sys.argv[2], int(sys.argv[3])
records: dict[str, list[str]] = {}


class Api(BaseHTTPRequestHandler):
    """Answers the plugin."""

    def do_GET(self) -> None:
        """Find the domain, or the records of one name."""
        parts = urlsplit(self.path)
        if parts.path == "/api/v1/domains/":
            name = parse_qs(parts.query)["owns_qname"][0]
            self.answer(200, [{"name": DOMAIN, "minimum_ttl": 3600}] if name.endswith(DOMAIN) else [])
            return
        name = parts.path.removeprefix(f"/api/v1/domains/{DOMAIN}/rrsets/").removesuffix(".../TXT/")
        self.answer(200, {"records": records[name]}) if records.get(name) else self.answer(
            404, {"detail": "Not found."}
        )

    def do_PUT(self) -> None:
        """Replace the records of each name."""
        for part in json.loads(self.rfile.read(int(self.headers["Content-Length"]))):
            before, after = records.get(part["subname"], []), part["records"]
            gone, new = (
                [value.strip('"') for value in one if value not in other]
                for one, other in ((before, after), (after, before))
            )
            change(f"{part['subname']}.{DOMAIN}", add=new, remove=gone)
            records[part["subname"]] = after
        self.answer(200, [])

    def answer(self, status: int, body: object) -> None:
        """Send a JSON body, or say that the token is wrong."""
        if self.headers["Authorization"] != f"Token {TOKEN}":
            status, body = 401, {"detail": "Invalid token."}
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


ThreadingHTTPServer(("127.0.0.1", PORT), Api).serve_forever()
