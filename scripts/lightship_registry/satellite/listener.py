"""Recognises whether the same plain HTTP notebook still listens, or the next program on its port.

Plain HTTP proves nothing: another user's program on the node can give the same answers, as Jupyter tells strangers only
its version. But nobody can take over a TCP connection. So one idle connection to each notebook stays open; it ends as
soon as the process at its other end does. A process can also close its port and live on. So every second a new
connection is opened, and replaces the one before only if that is still open: then both belong to the same listener.
Other ways see less: the open connection alone does not show a port that was closed, new connections alone do not show
a program that came and went in between, and the kernel's table shows no more than the open connection. For 1,000
notebooks they cost of one core: the open connections 0 %, new ones each second 16 %, reading the table 2 %.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto

from lightship_registry.links.targets import Address, Endpoint

ASK_SECONDS = 3.0
CONNECT_SECONDS = 1.0
# By then everything that the node sent before it accepted the new connection has arrived.
OVERLAP_SECONDS = 0.1
BEGINNING = b"HTTP/1."
LONGEST_HEAD, LONGEST_BODY = 8192, 1024
# Connections are closed by a reset: otherwise each link would leave sixty of them in TIME-WAIT.
RESET = struct.pack("ii", 1, 0)
PART = 32
UNKNOWN = "0" * PART


class Found(Enum):
    """What listens at a port."""

    HTTP = auto()
    STRANGER = auto()  # it does not speak HTTP
    NOBODY = auto()
    SILENCE = auto()


@dataclass(frozen=True)
class Answer:
    """The answer of a port, and the mark of its program; each of the mark's two parts may be unknown."""

    found: Found
    mark: str = ""


def same_program(first: str, later: str) -> bool:
    """Whether both marks can be the same program's. Unknown parts are not compared."""
    pairs = zip((first[:PART], first[PART:]), (later[:PART], later[PART:]), strict=True)
    return all(one == other or {one, other} & {"", UNKNOWN} for one, other in pairs)


async def ask(address: Address, port: int, host: str, seconds: float = ASK_SECONDS) -> Answer:
    """Send a plain HTTP request, as a browser would."""
    try:
        async with asyncio.timeout(seconds):
            return await _answer(address, port, host)
    except ConnectionRefusedError:
        return Answer(Found.NOBODY)
    except asyncio.IncompleteReadError as error:
        return Answer(Found.STRANGER if error.partial else Found.SILENCE)
    except OSError:
        return Answer(Found.SILENCE)


async def _answer(address: Address, port: int, host: str) -> Answer:
    reader, writer = await asyncio.open_connection(str(address), port, limit=LONGEST_HEAD)
    try:
        writer.write(f"GET /api HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode("ascii"))
        if await reader.readexactly(len(BEGINNING)) != BEGINNING:
            return Answer(Found.STRANGER)
        return Answer(Found.HTTP, await _mark(reader))
    finally:
        # Aborted: the peer is an untrusted user's program.
        writer.transport.abort()


async def _mark(reader: asyncio.StreamReader) -> str:
    """The server's name and the version of a Jupyter, both hashed, because a program can send any text."""
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        fields = dict(line.lower().partition(": ")[::2] for line in head.split("\r\n")[1:])
        length = fields.get("content-length", "")
        small = length.isascii() and length.isdigit() and len(length) <= len(str(LONGEST_BODY))
        body = await reader.readexactly(min(int(length), LONGEST_BODY)) if small else b""
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        return ""
    return _hashed(fields.get("server", "")) + _hashed(_version(body))


def _version(body: bytes) -> str:
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    version = told.get("version", "") if isinstance(told, dict) else ""
    return version if isinstance(version, str) else ""


def _hashed(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:PART] if text else UNKNOWN


class Listener:
    """One program that listens: the same one as long as the chain of connections to it is unbroken.

    The event loop calls `when_gone` once, when the open connection ends.
    """

    def __init__(self, address: Address, port: int, when_gone: Callable[[], None] = lambda: None) -> None:
        self._peer = (str(address), port)
        self._family = socket.AF_INET if address.version == 4 else socket.AF_INET6
        self.when_gone = when_gone
        self._standing: list[socket.socket] = []
        self.over = False
        # For a program that serves one connection at a time: no connection stays open, which would block it.
        self.brief = False
        # It did not accept the last connection. More of them would fill its queue.
        self.silent = False

    @property
    def own_ends(self) -> set[Endpoint]:
        """This host's ends of the connections."""
        return {each.getsockname()[:2] for each in self._standing}

    async def knock(self, seconds: float = CONNECT_SECONDS) -> Found:
        """Open a new connection. `Found.HTTP` means only that something listens."""
        fresh = socket.socket(self._family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        fresh.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        kept = False
        try:
            async with asyncio.timeout(seconds):
                await asyncio.get_running_loop().sock_connect(fresh, self._peer)
            kept = not self.over and not self.brief
        except ConnectionRefusedError:
            return Found.NOBODY
        except OSError:
            self.silent = True
            return Found.SILENCE
        finally:
            if not kept:
                fresh.close()
        self.silent = False
        if self.over:
            return Found.NOBODY
        if kept:
            self._take(fresh)
        return Found.HTTP

    def _take(self, fresh: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        for old in self._standing:
            loop.call_later(OVERLAP_SECONDS, self._drop, old)
        self._standing.append(fresh)
        loop.add_reader(fresh, self._stirred, fresh)

    def _stirred(self, connection: socket.socket) -> None:
        try:
            connection.recv(1)
        except (BlockingIOError, InterruptedError):
            return
        except ConnectionAbortedError:
            # Cut by the connection killer, when the last link of the target ended. The next knock opens a new one.
            self._drop(connection)
            return
        except OSError:
            pass
        # The program closed the connection, or sent something first, which no HTTP server does.
        if not self.over:
            self.leave()
            self.when_gone()

    def _drop(self, connection: socket.socket) -> None:
        if connection in self._standing:
            self._standing.remove(connection)
            asyncio.get_running_loop().remove_reader(connection)
            connection.close()

    def leave(self) -> None:
        """Close the connections for good."""
        self.over = True
        for each in self._standing[:]:
            self._drop(each)
