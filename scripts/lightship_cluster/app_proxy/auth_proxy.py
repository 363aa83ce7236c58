"""The HTTPS proxy in front of a program that checks neither certificates nor tokens: it asks for the link's token.

It listens where the web server connects, with the link's own certificate, and requires the web server's certificate.
Each request must have the token in its address, in a cookie, or in a header. A token in the address sets the cookie and
is removed from the address. The web server may send several requests on a connection, and each is checked. If the end
of a request is in doubt, it is the last one on its connection.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import resource
import socket
import ssl
import threading
from contextlib import suppress
from urllib.parse import quote

from lightship_cluster.app_proxy.exchange import Connect, Exchange, Streams, turn_away
from lightship_cluster.app_proxy.http1 import HOP_BY_HOP, LONGEST_HEAD, BadMessageError, Head, read_head, request_of
from lightship_cluster.app_proxy.pages import BAD, FORBIDDEN, FOREIGN
from lightship_cluster.core.job_log import say
from lightship_cluster.core.listen_address import ListenAddress
from lightship_protocol.centre import UNNAMED, Centre

COOKIE = "__Host-lightship-app"
# The web server and the registry keep the token itself in another cookie, for pages of their own.
OURS = (f"{COOKIE}=", "__Host-lightship=")
HEAD_SECONDS, HANDSHAKE_SECONDS, CLOSE_SECONDS, PAUSE_SECONDS = 30.0, 5.0, 5.0, 0.5
# Longer than the web server keeps an idle connection: it must not be closed while a request is on its way.
IDLE_SECONDS = 120.0
# Connections at a time; more wait for their turn. Each takes two descriptors, and the job needs some too.
MOST_CONNECTIONS, SHARE_OF_DESCRIPTORS = 256, 4
BACKLOG, KEEPALIVE_SECONDS = 128, 60
# Methods that a page at another address can make a browser send without telling where the request came from.
SAFE = ("GET", "HEAD", "OPTIONS")
OWN_SITES = ("", "same-origin", "none")
# The registry's page at this link that asks a person for the token.
ENTER, LONGEST_TARGET = "/.lightship/enter", 1000


class AuthProxy(threading.Thread):
    """Serves in a thread of its own until the process ends. Raises an OSError if it cannot listen there."""

    def __init__(self, listen: ListenAddress, origin: str, connect: Connect, centre: Centre = UNNAMED) -> None:
        super().__init__(daemon=True, name="auth-proxy")
        self._token = listen.token.encode("ascii")
        self._origin = origin
        self._connect = connect
        self._centre = centre
        self._cookie = hashlib.sha256(b"lightship-app " + self._token).hexdigest()
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.minimum_version = ssl.TLSVersion.TLSv1_2
        self._context.load_cert_chain(listen.file("certificate.pem"), listen.file("key.pem"))
        self._context.load_verify_locations(listen.file("proxy_ca.pem"))
        self._context.verify_mode = ssl.CERT_REQUIRED
        family = socket.AF_INET6 if ":" in listen.address else socket.AF_INET
        self._listener = socket.create_server((listen.address, listen.port), family=family, backlog=BACKLOG)
        self._listener.setblocking(False)
        # Before Python 3.10 nothing else references a task that waits only for the program.
        self._connections: set[asyncio.Task[None]] = set()
        # Connections that have not shown the token, the oldest first. They are closed when all slots are taken:
        # otherwise strangers could keep everybody out.
        self._unknown: dict[socket.socket, None] = {}

    def run(self) -> None:
        """Serve requests for ever."""
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        loop = asyncio.get_running_loop()
        room = asyncio.Semaphore(most_connections())
        while True:
            try:
                connection, _ = await loop.sock_accept(self._listener)
            except OSError:
                await asyncio.sleep(PAUSE_SECONDS)
                continue
            if room.locked():
                self._make_room()
            await room.acquire()
            self._unknown[connection] = None
            task = loop.create_task(self._receive(connection))
            self._connections.add(task)
            task.add_done_callback(self._connections.discard)
            task.add_done_callback(lambda _: room.release())

    def _make_room(self) -> None:
        if self._unknown:
            oldest = next(iter(self._unknown))
            del self._unknown[oldest]
            with suppress(OSError):
                oldest.shutdown(socket.SHUT_RDWR)

    async def _receive(self, connection: socket.socket) -> None:
        try:
            # A peer that is lost without a word, such as a host that loses its power, must not keep its connection for
            # ever.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEPALIVE_SECONDS)
            # asyncio does this only for sockets that are created as TCP sockets, not for accepted ones: each answer
            # would wait 40 ms for an acknowledgement of its head.
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await self._shake_hands(connection)
        finally:
            self._unknown.pop(connection, None)

    async def _shake_hands(self, connection: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(LONGEST_HEAD)
        protocol = asyncio.StreamReaderProtocol(reader)
        try:
            transport, _ = await loop.connect_accepted_socket(
                lambda: protocol, connection, ssl=self._context, ssl_handshake_timeout=HANDSHAKE_SECONDS
            )
        except OSError:  # not the web server, or no TLS
            connection.close()
            return
        writer = asyncio.StreamWriter(transport, protocol, reader, loop)
        try:
            await self._enter((reader, writer), connection)
        finally:
            writer.close()
            try:
                await asyncio.wait_for(writer.wait_closed(), CLOSE_SECONDS)
            except (OSError, asyncio.TimeoutError):
                transport.abort()

    async def _enter(self, browser: Streams, connection: socket.socket) -> None:
        try:
            seconds = HEAD_SECONDS
            while await self._serve_one(browser, connection, seconds):
                # While it is idle, it may be closed for another connection.
                self._unknown[connection] = None
                seconds = IDLE_SECONDS
        except BadMessageError:
            with suppress(OSError):
                await turn_away(browser, BAD, self._centre)
        except (OSError, asyncio.TimeoutError):
            pass  # the client has gone
        except Exception as error:  # one request's fault must not end the others
            say(f"A request failed: {error!r}")

    async def _serve_one(self, browser: Streams, connection: socket.socket, seconds: float) -> bool:
        """Serve one request; return whether another may follow."""
        head = await asyncio.wait_for(read_head(browser[0]), seconds)
        exchange = await self._judge(head, browser) if head else None
        if not exchange:
            return False
        self._unknown.pop(connection, None)
        return await exchange.run(self._connect)

    async def _judge(self, head: Head, browser: Streams) -> Exchange | None:
        """Return the exchange with the program; None if the request was answered here."""
        method, target = request_of(head)
        bare, by_address = self._without_token(target)
        by_header = self._is_token(head.one("authorization").rpartition(" ")[2])
        if not (by_header or by_address or self._has_cookie(head)):
            if method == "GET" and _navigates(head):
                await self._send_to(browser[1], f"{ENTER}?next={quote(target[:LONGEST_TARGET], safe='')}")
            else:
                await turn_away(browser, FORBIDDEN, self._centre)
        elif not by_header and self._is_foreign(head, method):
            await turn_away(browser, FOREIGN, self._centre)
        elif by_address and method == "GET" and not head.all("upgrade"):
            await self._send_on(browser[1], bare)
        else:
            last = "close" in head.tokens("connection") or head.line.endswith("/1.0")
            return Exchange(self._for_program(head, method, bare, by_header), browser, self._centre, last=last)
        return None

    def _is_token(self, text: str) -> bool:
        return hmac.compare_digest(text.encode("latin-1"), self._token)

    def _has_cookie(self, head: Head) -> bool:
        wanted = f"{COOKIE}={self._cookie}".encode("ascii")
        return any(hmac.compare_digest(each.encode("latin-1"), wanted) for each in _cookies(head))

    def _without_token(self, target: str) -> tuple[str, bool]:
        """The target without the link's token, and whether it had no other `token=`, which would be the program's."""
        path, mark, query = target.partition("?")
        words = query.split("&")
        tokens = [word for word in words if word.startswith("token=")]
        ours = [word for word in tokens if self._is_token(word[len("token=") :])]
        kept = "&".join(word for word in words if word not in ours)
        return (f"{path}{mark}{kept}" if kept else path), bool(ours) and ours == tokens

    def _is_foreign(self, head: Head, method: str) -> bool:
        """Whether a page at another address made the request: to a browser, all links of a centre are one site."""
        if head.one("sec-fetch-site") not in OWN_SITES and not (method == "GET" and _navigates(head)):
            return True
        if method in SAFE and not head.all("upgrade"):
            return False
        return head.one("origin") not in ("", self._origin)

    async def _send_on(self, writer: asyncio.StreamWriter, target: str) -> None:
        # Two slashes would name another host, and browsers treat a backslash as a slash.
        cookie = f"{COOKIE}={self._cookie}; Path=/; Secure; HttpOnly; SameSite=Lax"
        await self._send_to(writer, "/" + target.lstrip("/\\"), ("Set-Cookie", cookie))

    async def _send_to(self, writer: asyncio.StreamWriter, address: str, *more: tuple[str, str]) -> None:
        fields = (
            ("Location", address),
            *more,
            ("Cache-Control", "no-store"),
            ("Referrer-Policy", "no-referrer"),
            ("Content-Length", "0"),
            ("Connection", "close"),
        )
        writer.write(Head("HTTP/1.1 303 See Other", fields).encode())
        await writer.drain()

    def _for_program(self, head: Head, method: str, target: str, by_header: bool) -> Head:
        """The request without the token: the program need not know it and cannot leak it."""
        dropped = [*HOP_BY_HOP, "cookie", *(["authorization"] if by_header else [])]
        # The address of a page that had the token in it.
        if self._token.decode("ascii") in head.one("referer"):
            dropped.append("referer")
        upgrade = head.one("upgrade")
        added = [("Connection", "Upgrade"), ("Upgrade", upgrade)] if upgrade else [("Connection", "close")]
        others = [each for each in _cookies(head) if not each.startswith(OURS)]
        if others:
            added.append(("Cookie", "; ".join(others)))
        return head.changed(f"{method} {target} HTTP/1.1", dropped, added)


def most_connections() -> int:
    """How many connections may be served at a time."""
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if descriptors == resource.RLIM_INFINITY:
        return MOST_CONNECTIONS
    return max(1, min(MOST_CONNECTIONS, descriptors // SHARE_OF_DESCRIPTORS))


def _navigates(head: Head) -> bool:
    return (head.one("sec-fetch-mode"), head.one("sec-fetch-dest")) == ("navigate", "document")


def _cookies(head: Head) -> list[str]:
    return [each.strip() for value in head.all("cookie") for each in value.split(";")]
