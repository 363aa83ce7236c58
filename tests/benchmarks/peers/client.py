"""Clients' connections to a link through a proxy: TLS with the link's name, its certificate checked."""

from __future__ import annotations

import asyncio
import base64
import os
import ssl
from pathlib import Path

from peers.links import Link

OPEN_SECONDS = 20.0


def context(authority: Path) -> ssl.SSLContext:
    """Return what checks a proxy's certificate."""
    made = ssl.create_default_context(cafile=str(authority))
    made.set_alpn_protocols(["http/1.1"])
    return made


async def opened(link: Link, port: int, trust: ssl.SSLContext) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect to a proxy on the loopback as a browser of this link does."""
    return await asyncio.wait_for(
        asyncio.open_connection("127.0.0.1", port, ssl=trust, server_hostname=link.host), OPEN_SECONDS
    )


async def status(link: Link, port: int, trust: ssl.SSLContext) -> int:
    """Return the status of one request over a connection of its own; 0 if there was no answer."""
    try:
        reader, writer = await opened(link, port, trust)
    except (OSError, TimeoutError):
        return 0
    try:
        head = f"GET / HTTP/1.1\r\nHost: {link.host}:{port}\r\nConnection: close\r\n\r\n"
        writer.write(head.encode())
        line = await asyncio.wait_for(reader.readline(), OPEN_SECONDS)
        await asyncio.wait_for(reader.read(), OPEN_SECONDS)
        return int(line.split()[1])
    except (OSError, TimeoutError, IndexError, ValueError):
        return 0
    finally:
        writer.close()


async def websocket(link: Link, port: int, trust: ssl.SSLContext) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Open a WebSocket as a browser's page at the link does.

    Raises:
        ConnectionError: the answer was not 101.
    """
    reader, writer = await opened(link, port, trust)
    key = base64.b64encode(os.urandom(16)).decode()
    writer.write(
        (
            f"GET /echo HTTP/1.1\r\nHost: {link.host}:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Origin: https://{link.host}:{port}\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n"
        ).encode()
    )
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), OPEN_SECONDS)
    if b" 101 " not in head.splitlines()[0]:
        writer.close()
        raise ConnectionError(f"no WebSocket at {link.host}: {head.splitlines()[0].decode()}")
    return reader, writer
