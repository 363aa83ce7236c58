"""Who may enter a program that knows neither certificates nor tokens: the proxy, for whoever has the link's token.

It listens where the proxy connects, with the link's own certificate, and asks for the proxy's. Each request must bear
the token: in the address, which sets a cookie and is taken out of the address; in that cookie; or in a header. A
connection serves one request, so that nothing that follows a request can come in with it.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import ssl
import sys
import threading
from collections.abc import Awaitable
from contextlib import suppress
from typing import Callable

from lightship_cluster.http_heads import (
    HOP_BY_HOP,
    LONGEST_HEAD,
    PIECE,
    BadMessageError,
    Head,
    body_length,
    copy_body,
    read_head,
    request_of,
    status_of,
)
from lightship_cluster.place import Place

COOKIE = "__Host-lightship-app"
HEAD_SECONDS, CONNECT_SECONDS, HANDSHAKE_SECONDS, LINGER_SECONDS = 30.0, 10.0, 10.0, 5.0
# What a page elsewhere may make a browser ask for without a sign of where it came from.
SAFE = ("GET", "HEAD", "OPTIONS")

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Connect = Callable[[], Awaitable[Streams]]

PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark">
<body style="font-family: system-ui, sans-serif; max-width: 40rem; margin: 3rem auto; padding: 0 1rem">
<h1 style="font-size: 1.4rem">{title}</h1><p>{text}</p></html>
"""
FORBIDDEN = (
    "403 Forbidden",
    "This address needs its token",
    "Open the whole link that start-jupyter printed, or run <code>start-jupyter open</code> where you started it.",
)
FOREIGN = ("403 Forbidden", "Refused", "This request was made by a page at another address.")
BAD = ("400 Bad Request", "Bad request", "This request could not be understood beyond doubt.")
AWAY = ("502 Bad Gateway", "The program does not answer", "It may still be starting, or it has ended. Try again.")


class Doorkeeper(threading.Thread):
    """Serves in a thread of its own until the process ends."""

    def __init__(self, place: Place, origin: str, connect: Connect) -> None:
        super().__init__(daemon=True, name="doorkeeper")
        self._place = place
        self._origin = origin
        self._connect = connect
        self._cookie = hashlib.sha256(b"lightship-app " + place.token.encode("ascii")).hexdigest()
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.minimum_version = ssl.TLSVersion.TLSv1_2
        self._context.load_cert_chain(place.file("certificate.pem"), place.file("key.pem"))
        self._context.load_verify_locations(place.file("proxy_ca.pem"))
        self._context.verify_mode = ssl.CERT_REQUIRED

    def run(self) -> None:
        """Serve."""
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        server = await asyncio.start_server(
            self._enter,
            self._place.address,
            self._place.port,
            ssl=self._context,
            ssl_handshake_timeout=HANDSHAKE_SECONDS,
            limit=LONGEST_HEAD,
        )
        async with server:
            await server.serve_forever()

    async def _enter(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await asyncio.wait_for(read_head(reader), HEAD_SECONDS)
            if head:
                await self._answer(head, reader, writer)
        except BadMessageError:
            with suppress(OSError):
                await _tell(writer, BAD)
        except (OSError, asyncio.TimeoutError):
            pass  # whoever asked has gone
        except Exception as error:  # one request's trouble is nobody else's
            print(f"register-jupyter: a request failed: {error!r}", file=sys.stderr, flush=True)
        finally:
            writer.close()

    async def _answer(self, head: Head, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        method, target = request_of(head)
        bare, token = _without_token(target)
        by_header = self._is_token(head.one("authorization").rpartition(" ")[2])
        by_address = self._is_token(token)
        if not (by_header or by_address or self._has_cookie(head)):
            await _tell(writer, FORBIDDEN)
        elif not by_header and self._is_foreign(head, method):
            await _tell(writer, FOREIGN)
        elif by_address and method == "GET" and not head.all("upgrade"):
            await self._send_on(writer, bare)
        else:
            await self._pass_on(self._for_program(head, method, bare, by_header), reader, writer)

    def _is_token(self, text: str) -> bool:
        return hmac.compare_digest(text.encode("latin-1"), self._place.token.encode("ascii"))

    def _has_cookie(self, head: Head) -> bool:
        wanted = f"{COOKIE}={self._cookie}".encode("ascii")
        return any(hmac.compare_digest(each.encode("latin-1"), wanted) for each in _cookies(head))

    def _is_foreign(self, head: Head, method: str) -> bool:
        """Cookies do not tell neighbours apart: to a browser all links of a centre are one site."""
        if method in SAFE and not head.all("upgrade"):
            return False
        return head.one("origin") not in ("", self._origin)

    async def _send_on(self, writer: asyncio.StreamWriter, target: str) -> None:
        fields = (
            # Two slashes would name another host, and to a browser the other kind is one too.
            ("Location", "/" + target.lstrip("/\\")),
            ("Set-Cookie", f"{COOKIE}={self._cookie}; Path=/; Secure; HttpOnly; SameSite=Lax"),
            ("Cache-Control", "no-store"),
            ("Referrer-Policy", "no-referrer"),
            ("Content-Length", "0"),
            ("Connection", "close"),
        )
        writer.write(Head("HTTP/1.1 303 See Other", fields).encode())
        await writer.drain()

    def _for_program(self, head: Head, method: str, target: str, by_header: bool) -> Head:
        """The request without what opened the door: the program need not know it, nor pass it on."""
        dropped = [*HOP_BY_HOP, "cookie", *(["authorization"] if by_header else [])]
        upgrade = head.one("upgrade")
        added = [("Connection", "Upgrade"), ("Upgrade", upgrade)] if upgrade else [("Connection", "close")]
        others = [each for each in _cookies(head) if not each.startswith(f"{COOKIE}=")]
        if others:
            added.append(("Cookie", "; ".join(others)))
        return head.changed(f"{method} {target} HTTP/1.1", dropped, added)

    async def _pass_on(self, head: Head, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Before the program hears of it: what is in doubt is for nobody.
        length = body_length(head)
        try:
            program_reader, program_writer = await asyncio.wait_for(self._connect(), CONNECT_SECONDS)
        except (OSError, asyncio.TimeoutError):
            await _tell(writer, AWAY)
            return
        try:
            program_writer.write(head.encode())
            sent = asyncio.Event()
            # A program that has heard enough may hang up on whoever still speaks.
            with suppress(ConnectionError):
                await _first_of(
                    _send_body(length, reader, program_writer, sent, last=not head.all("upgrade")),
                    self._bring_back(head, (reader, writer), (program_reader, program_writer)),
                )
            if not sent.is_set():
                # Closed while more comes in, the connection would be reset and the answer lost.
                with suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(_discard(reader), LINGER_SECONDS)
        finally:
            program_writer.close()

    async def _bring_back(self, head: Head, browser: Streams, program: Streams) -> None:
        while True:
            try:
                answer = await read_head(program[0])
            except BadMessageError:
                answer = None
            if answer is None:
                await _tell(browser[1], AWAY)
                return
            status = status_of(answer)
            if status == 101 and head.all("upgrade"):
                browser[1].write(answer.encode())
                await _first_of(_copy_all(browser[0], program[1]), _copy_all(program[0], browser[1]))
                return
            last = status >= 200
            if last:
                answer = answer.changed(answer.line, HOP_BY_HOP, [("Connection", "close")])
            browser[1].write(answer.encode())
            if last:
                await _copy_all(program[0], browser[1])
                return


async def _send_body(
    length: int | None, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, sent: asyncio.Event, *, last: bool
) -> None:
    try:
        await copy_body(length, reader, writer)
        sent.set()
    except ConnectionError:
        # The program has heard enough: its answer says why.
        last = False
    if not last:
        # Or what follows belongs to the program, as soon as it agrees to speak something else.
        await asyncio.Event().wait()
    await _discard(reader)


async def _discard(reader: asyncio.StreamReader) -> None:
    """Return when whoever asked has gone; what else they send is for nobody."""
    while await reader.read(PIECE):
        pass


async def _copy_all(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        piece = await reader.read(PIECE)
        if not piece:
            return
        writer.write(piece)
        await writer.drain()


async def _first_of(*steps: Awaitable[None]) -> None:
    tasks = [asyncio.ensure_future(step) for step in steps]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _tell(writer: asyncio.StreamWriter, what: tuple[str, str, str]) -> None:
    status, title, text = what
    page = PAGE.format(title=title, text=text).encode("utf-8")
    fields = (
        ("Content-Type", "text/html; charset=utf-8"),
        ("Content-Length", str(len(page))),
        ("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"),
        ("Cache-Control", "no-store"),
        ("X-Content-Type-Options", "nosniff"),
        ("Connection", "close"),
    )
    writer.write(Head(f"HTTP/1.1 {status}", fields).encode() + page)
    await writer.drain()


def _without_token(target: str) -> tuple[str, str]:
    """The target without `token=`, as it was otherwise, and the token."""
    path, mark, query = target.partition("?")
    words = query.split("&")
    tokens = [word[len("token=") :] for word in words if word.startswith("token=")]
    kept = "&".join(word for word in words if not word.startswith("token="))
    return (f"{path}{mark}{kept}" if kept else path), (tokens[0] if len(tokens) == 1 else "")


def _cookies(head: Head) -> list[str]:
    return [each.strip() for value in head.all("cookie") for each in value.split(";")]
