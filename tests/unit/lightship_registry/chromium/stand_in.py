"""What does to requests what the web server does, in front of the registry; and a page of somebody else's."""

from __future__ import annotations

import datetime as dt
import ssl
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import parse_qs, quote

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from playwright.sync_api import Page
from starlette.responses import PlainTextResponse, Response
from starlette.types import Message, Receive, Scope, Send

from lightship_protocol.centre import Centre
from unit.lightship_registry.testbed import DOMAIN, NODE, TOKEN, Testbed

PATHS = {
    "/.lightship/": "/status",
    "/.lightship/events": "/events",
    "/.lightship/running": "/running",
    "/.lightship/cancel": "/cancel",
    "/.lightship/enter": "/enter",
}
OWN = "/.lightship/"
CENTRE = Centre("Example Computing Centre", "help@example.org", "https://example.org/guide/notebooks")
# A link of somebody else's, and what its page holds.
ELSEWHERE, ELSEWHERES_PAGE = "other-link-here", [""]
# Where the way into a notebook led, by the query of who asked there.
ENTERED: dict[str, str] = {}


class StandIn:
    """Path, token and host as roles/web_proxy passes them on; at an open route, Jupyter's answers as it turns them."""

    def __init__(self, testbed: Testbed) -> None:
        self._testbed = testbed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        cookies = SimpleCookie(headers.pop(b"cookie", b"").decode())
        query = parse_qs(scope["query_string"].decode())
        shown = query.get("token", [])
        shown = shown or [cookie.value for name, cookie in cookies.items() if name == "__Host-lightship"]
        name = headers[b"host"].decode().partition(".")[0]
        if not scope["path"].startswith(OWN) and name == ELSEWHERE:
            await PlainTextResponse(ELSEWHERES_PAGE[0], media_type="text/html")(scope, receive, send)
            return
        if not scope["path"].startswith(OWN) and name in self._testbed.routes:
            await self._notebook(scope, query, cookies)(scope, receive, send)
            return
        headers |= {b"x-lightship-token": "".join(shown).encode(), b"x-real-ip": NODE.encode()}
        path = PATHS.get(scope["path"], "/")

        async def sent(message: Message) -> None:
            if path == "/enter" and "headers" in message:
                ENTERED[scope["query_string"].decode()] = dict(message["headers"]).get(b"location", b"").decode()
            await send(message)

        await self._testbed.app({**scope, "path": path, "headers": list(headers.items())}, receive, sent)

    def _notebook(self, scope: Scope, query: dict[str, list[str]], cookies: SimpleCookie) -> Response:
        if query.get("token") == [TOKEN]:
            page: Response = PlainTextResponse("<title>The notebook</title>", media_type="text/html")
            page.set_cookie("jupyter", "in", secure=True)
            return page
        if "jupyter" in cookies:
            return PlainTextResponse("<title>The notebook</title>", media_type="text/html")
        asked = quote(scope["path"] + ("?" + scope["query_string"].decode() if scope["query_string"] else ""), safe="")
        return Response(status_code=302, headers={"Location": f"/.lightship/enter?next={asked}"})


def tls(folder: Path) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, DOMAIN)])
    now = dt.datetime.now(dt.UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    signed = builder.not_valid_before(now).not_valid_after(now + dt.timedelta(days=1)).sign(key, hashes.SHA256())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + signed.public_bytes(Encoding.PEM)
    (folder / "server.pem").write_bytes(pem)
    served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    served.load_cert_chain(folder / "server.pem")
    return served


class Tab(Protocol):
    """Opens a page of a browser's of its own; the options are Playwright's for its context."""

    def __call__(self, **options: Any) -> Page: ...
