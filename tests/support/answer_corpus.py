"""Answers of a notebook that break the protocol, end early or never end: the corpus of the tests of hostile notebooks.

Each case is what the notebook does on one connection. CASE in its bytes stands for the case's number: an answer in the
wrong place then says whose it is.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import time
from collections.abc import Callable

from support.proxy_host import DOMAIN

# What the endless answers send at most.
FLOOD = 24 << 20

GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
POISON = b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\npoison-CASE"
EVIL = f"Set-Cookie: evil=1; Domain={DOMAIN}\r\n".encode()

# An answer: the bytes, or what to do with the connection. CASE in the bytes stands for the case's number.
Script = bytes | Callable[[socket.socket, bytes], None]


def end(connection: socket.socket) -> None:
    """End the connection as TLS asks for."""
    with contextlib.suppress(OSError):
        if isinstance(connection, ssl.SSLSocket):
            connection.settimeout(0.2)
            connection.unwrap()
    connection.close()


def named(text: bytes, number: bytes) -> bytes:
    """Put the case's number into its bytes."""
    return text.replace(b"CASE", number)


def then_end(text: bytes) -> Script:
    """Answer, and end the connection as TLS asks for."""

    def script(connection: socket.socket, number: bytes) -> None:
        connection.sendall(named(text, number))
        end(connection)

    return script


def then_break(text: bytes) -> Script:
    """End the connection with a reset, and without TLS's own end."""

    def script(connection: socket.socket, number: bytes) -> None:
        connection.sendall(named(text, number))
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()

    return script


def then_garbage(text: bytes, garbage: bytes) -> Script:
    """Write below TLS, where the web server expects its records."""

    def script(connection: socket.socket, number: bytes) -> None:
        connection.sendall(named(text, number))
        with socket.socket(fileno=socket.dup(connection.fileno())) as raw:
            raw.sendall(named(garbage, number))

    return script


def endless(head: bytes, part: bytes) -> Script:
    """Answer with a beginning and then with one part again and again, up to FLOOD bytes."""

    def script(connection: socket.socket, number: bytes) -> None:
        connection.sendall(head)
        for _ in range(FLOOD // (len(part) * (4096 // len(part) + 1))):
            connection.sendall(named(part * (4096 // len(part) + 1), number))
        end(connection)

    return script


def drip(text: bytes, seconds: float = 0.02) -> Script:
    """Answer one byte at a time, with this pause after each."""

    def script(connection: socket.socket, number: bytes) -> None:
        for byte in named(text, number):
            connection.sendall(bytes([byte]))
            time.sleep(seconds)

    return script


def head(*lines: bytes) -> bytes:
    """Return the head of a good answer with these lines."""
    return b"HTTP/1.1 200 OK\r\n" + b"".join(line + b"\r\n" for line in lines) + b"\r\n"


# Answers of which a client may get any part that is clear.
ANSWERS: list[Script] = [
    GOOD + POISON,
    GOOD + b"poison-CASE",
    GOOD + b"\r\n\r\n" + POISON,
    *(
        head(b"Content-Length: " + length) + b"ok" + POISON
        for length in (b"2, 2", b"2,", b"+2", b"-2", b"0x2", b"", b"2 2")
    ),
    *(
        head(b"Content-Length: " + length) + b"ok" + POISON
        for length in (b"\x0b2", b"2\x00", b"2;", b"two", b"002", b"2.0")
    ),
    *(head(b"Content-Length: " + length) + b"ok" for length in (b"9" * 18, b"18446744073709551618", b"9" * 40)),
    head(b"Content-Length: 2", b"Content-Length: 2") + b"ok" + POISON,
    head(b"Content-Length: 2", b"Content-Length: 49") + b"ok" + POISON,
    head(b"Content-Length: 49", b"Content-Length: 2") + b"ok" + POISON,
    head(b"Content-Length : 2") + b"ok" + POISON,
    head(b"Content-Length:\r\n 2") + b"ok" + POISON,
    head(b"Content_Length: 2") + b"ok" + POISON,
    head(b"Content-Length: 2", b"Transfer-Encoding: chunked") + b"0\r\n\r\n" + POISON,
    head(b"Transfer-Encoding: chunked", b"Content-Length: 200") + b"2\r\nok\r\n0\r\n\r\n" + POISON,
    *(
        head(b"Transfer-Encoding: " + coding) + b"2\r\nok\r\n0\r\n\r\n" + POISON
        for coding in (
            b"chunked",
            b"CHUNKED",
            b" chunked ",
            b"chunked, chunked",
            b"identity",
            b"xchunked",
            b"gzip, chunked",
        )
    ),
    *(
        head(b"Transfer-Encoding: " + coding) + b"2\r\nok\r\n0\r\n\r\n" + POISON
        for coding in (b"\x0bchunked", b"chunked\r\nTransfer-Encoding: chunked", b"", b"chunked,", b"chunked\x00")
    ),
    head(b"Transfer-Encoding : chunked") + b"2\r\nok\r\n0\r\n\r\n" + POISON,
    b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n" + POISON,
    b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok" + POISON,
    *(
        head(b"Transfer-Encoding: chunked") + body + POISON
        for body in (
            *(b"2;a=b\r\nok\r\n0\r\n\r\n", b"2\nok\n0\n\n", b"0x2\r\nok\r\n0\r\n\r\n", b"+2\r\nok\r\n0\r\n\r\n"),
            *(b"-2\r\nok\r\n0\r\n\r\n", b"Z\r\nok\r\n0\r\n\r\n", b"2\r\nokay\r\n0\r\n\r\n", b"2\r\nok0\r\n\r\n"),
            *(
                b"FFFFFFFFFFFFFFFE\r\nok\r\n0\r\n\r\n",
                b"10000000000000002\r\nok\r\n0\r\n\r\n",
                b"2\r\nok\r\n-1\r\n\r\n",
            ),
            *(
                b"0" * 9_000 + b"2\r\nok\r\n0\r\n\r\n",
                b"2;" + b"a" * 90_000 + b"\r\nok\r\n0\r\n\r\n",
                b"\r\n2\r\nok\r\n0\r\n\r\n",
            ),
            *(
                b"2\r\nok\r\n0\r\n" + EVIL + b"Content-Length: 99\r\n\r\n",
                b"2\r\nok\r\n0\r\nX: " + b"y" * 90_000 + b"\r\n\r\n",
            ),
        )
    ),
    *(
        b"HTTP/1.1 %d x\r\nContent-Length: 2\r\n\r\nok" % status + POISON
        for status in (204, 205, 304, 200, 416, 599, 999)
    ),
    *(b"HTTP/1.1 %d x\r\n\r\n" % status + POISON for status in (204, 304)),
    b"HTTP/1.1 304 x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n" + POISON,
    *(
        head(line, b"Content-Length: 2") + b"ok" + POISON
        for line in (
            *(
                b"X: a\r" + EVIL[:-2],
                b"X: a\n" + EVIL[:-2],
                b"X: a\r\r\n" + EVIL[:-2],
                b"X: a\r\n " + EVIL[:-2],
                b"X: a\x00b",
            ),
            *(
                b"X\x00: a",
                b"X: a\r\n\r\n" + POISON,
                b"X : a",
                b"X Y: a",
                b": a",
                b"no colon",
                b"\xff: \xff",
                b"X\r: a",
            ),
            *(
                b"Location: /\r\n\t" + EVIL[:-2],
                b"Content-Type: a\x0bb",
                f"Set-Cookie: a=1\rDomain={DOMAIN}".encode(),
                b"X: \x7f\x1b[2J",
            ),
            *(
                f"Set-Cookie: a=1;\x0bDomain={DOMAIN}".encode(),
                f"Set-Cookie: a=1; Domain\x00={DOMAIN}".encode(),
                b"X: " + b"y" * 15_000,
            ),
            *(
                b"Connection: Set-Cookie, Strict-Transport-Security",
                b"Connection: close, keep-alive, upgrade",
                b"Trailer: X",
            ),
            *(
                b"Keep-Alive: timeout=9999999999",
                b"Upgrade: h2c\r\nConnection: upgrade",
                b"Link: </x>; rel=preload; as=script",
            ),
            *(
                b"Content-Encoding: chunked",
                b"Content-Range: bytes 0-1/1",
                b"Accept-Ranges: x",
                b"Refresh: 0",
                b"TE: chunked",
            ),
        )
    ),
    b"".join([b"HTTP/1.1 200 OK\r\n", *(b"X-%d: y\r\n" % number for number in range(10_000)), b"\r\n"]) + POISON,
    head(b"X: " + b"y" * (1 << 20)) + POISON,
    b"HTTP/1.1 200 " + b"y" * (1 << 20) + b"\r\n\r\n" + POISON,
    endless(b"HTTP/1.1 200 ", b"y"),
    endless(b"HTTP/1.1 200 OK\r\nX: ", b"y"),
    endless(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"),
    endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    endless(b"", b"HTTP/1.1 103 Early Hints\r\n" + EVIL + b"\r\n"),
    endless(b"", b"\r\n"),
    endless(b"", b"\x00"),
    endless(b"HTTP/1.1 200 OK\r\n\r\n", b"y" * 999),
    endless(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\ny\r\n"),
    endless(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"0"),
    endless(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n", b"X: y\r\n"),
    endless(GOOD, POISON),
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n" + POISON,
    b"HTTP/1.1 100 Continue\r\n\r\n" + POISON,
    drip(GOOD),
    drip(b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n" + b"y" * 20),
    drip(head(b"Transfer-Encoding: chunked") + b"2\r\nok\r\n0\r\n\r\n"),
    *(
        then_end(text)
        for text in (b"", b"HTTP/1.1 20", b"HTTP/1.1 200 OK\r\nX: y", GOOD, GOOD + POISON, b"\x16\x03\x01\x00\x05hello")
    ),
    *(
        then_break(text)
        for text in (b"", b"HTTP/1.1 200 OK\r\nX: y", GOOD, GOOD + POISON, head(b"Connection: close") + b"ok")
    ),
    *(then_garbage(text, bytes(999)) for text in (b"", b"HTTP/1.1 200 OK\r\nX: y", GOOD, head(b"Content-Length: 99"))),
    *(then_garbage(text, POISON) for text in (b"", GOOD, head(b"Content-Length: 49"))),
    # Records of TLS: an alert to close, a handshake to begin anew, a heartbeat, one that is too long, an empty one.
    *(
        then_garbage(GOOD, record)
        for record in (b"\x15\x03\x03\x00\x02\x01\x00", b"\x16\x03\x03\x00\x04\x00\x00\x00\x00")
    ),
    *(
        then_garbage(GOOD, record)
        for record in (b"\x18\x03\x03\x00\x03\x01\xff\xff", b"\x17\x03\x03\xff\xff" + bytes(65535))
    ),
    then_garbage(b"", b"\x17\x03\x03\x00\x00" * 500),
]
# Answers that end too early: no client may take them for whole.
CUT: list[Script] = [
    then_end(head(b"Content-Length: 99") + b"ok"),
    then_break(head(b"Content-Length: 99") + b"ok"),
    then_end(head(b"Content-Length: 99")),
    then_end(head(b"Content-Length: " + b"9" * 18) + b"ok"),
    then_end(head(b"Transfer-Encoding: chunked") + b"2\r\nok\r\n"),
    then_end(head(b"Transfer-Encoding: chunked") + b"63\r\nok"),
    then_end(head(b"Transfer-Encoding: chunked") + b"2\r\nok\r\n0"),
    then_end(head(b"Transfer-Encoding: chunked")),
    then_break(head(b"Transfer-Encoding: chunked") + b"2\r\nok\r\n"),
    then_garbage(head(b"Content-Length: 99") + b"ok", b"garbage" * 99),
    head(b"Transfer-Encoding: chunked") + b"2\r\nok\r\nnot a chunk\r\n" + POISON,
]


class Hostile:
    """The handler of a notebook that does what the case in a request's path says, and answers other requests well."""

    def __init__(self, scripts: dict[str, Script]) -> None:
        """Know the cases by their names."""
        self._scripts = scripts

    def __call__(self, connection: socket.socket, request: bytes) -> None:
        """Answer a request."""
        path = request.split()[1].decode().strip("/")
        script, number = self._scripts.get(path, own(path)), path[-4:].encode()
        if isinstance(script, bytes):
            connection.sendall(named(script, number))
        else:
            script(connection, number)


def own(path: str) -> bytes:
    """Return the right answer for a path."""
    return head(b"Content-Length: %d" % len(path)) + path.encode()


def description(script: Script) -> str:
    """Say what an answer is, for a failure."""
    if isinstance(script, bytes):
        return repr(script[:200])
    kept = [cell.cell_contents for cell in script.__closure__ or ()]
    return f"{script.__qualname__.partition('.')[0]}({', '.join(repr(value)[:200] for value in kept)})"
