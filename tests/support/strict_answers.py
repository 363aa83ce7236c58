"""Reads the web server's answers to the letter, and keeps everything that another client could read in another way."""

from __future__ import annotations

import contextlib
import re
import ssl
from collections.abc import Callable
from dataclasses import dataclass

# Browsers take other control characters for part of a value.
HEAD = re.compile(rb"HTTP/1\.1 ([1-9][0-9]{2}) [^\r\n\x00]*")
HEADER = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):([^\r\n\x00]*)")
SIZE = re.compile(rb"[0-9A-Fa-f]{1,16}")
WITHOUT_BODY = {204, 304}
LONGEST_HEAD = 1 << 20


class AmbiguousError(Exception):
    """An answer that two clients may read differently."""


@dataclass(frozen=True)
class Reply:
    """An answer.

    Attributes:
        status: its status.
        headers: with names in small letters.
        body: what came of it.
        whole: whether all of it came.
    """

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes
    whole: bool

    def header(self, name: bytes) -> list[bytes]:
        """Return every value of a header."""
        return [value for key, value in self.headers if key == name]


class Answers:
    """The answers on one connection of a client."""

    def __init__(self, connection: ssl.SSLSocket, *, seconds: float, most: int = 1 << 30) -> None:
        """Read from the connection.

        Args:
            connection: where requests are sent.
            seconds: how long to wait for more.
            most: how many bytes of a body to read.
        """
        self._connection = connection
        self._connection.settimeout(seconds)
        self._most = most
        self._pending = b""

    def next(self, method: str = "GET") -> Reply | None:
        """Return the next answer, or None if there is none, or not all of its head.

        Raises:
            AmbiguousError: its meaning depends on who reads it.
        """
        if not self._fill(lambda: b"\r\n\r\n" in self._pending or len(self._pending) > LONGEST_HEAD):
            return None
        head, _, self._pending = self._pending.partition(b"\r\n\r\n")
        line, *rest = head.split(b"\r\n")
        first = HEAD.fullmatch(line)
        if not first:
            raise AmbiguousError(f"a line that begins no answer, {line[:200]!r}")
        headers = []
        for text in rest:
            header = HEADER.fullmatch(text)
            if not header:
                raise AmbiguousError(f"a line that is no header, {text[:200]!r}")
            headers.append((header[1].lower(), header[2].strip(b" \t")))
        reply = Reply(int(first[1]), tuple(headers), b"", whole=True)
        body, whole = self._body(reply, method)
        return Reply(reply.status, reply.headers, body, whole)

    def surplus(self) -> bytes:
        """Return what came after the last answer."""
        self._connection.settimeout(0.05)
        self._fill(lambda: len(self._pending) > LONGEST_HEAD)
        return self._pending

    def _body(self, reply: Reply, method: str) -> tuple[bytes, bool]:
        lengths, codings = reply.header(b"content-length"), reply.header(b"transfer-encoding")
        if method == "HEAD" or reply.status in WITHOUT_BODY:
            # Whatever the head says of a body, there is none.
            return b"", True
        if len(lengths) + len(codings) > 1:
            raise AmbiguousError(f"a body with two lengths: {lengths}, {codings}")
        if codings:
            if codings != [b"chunked"]:
                raise AmbiguousError(f"a transfer coding {codings}")
            return self._chunks()
        if lengths and not re.fullmatch(rb"[0-9]{1,19}", lengths[0]):
            raise AmbiguousError(f"a length {lengths}")
        if lengths:
            count = int(lengths[0])
            whole = self._fill_to(min(count, self._most))
            taken, self._pending = self._pending[:count], self._pending[count:]
            return taken, whole and count <= self._most
        self._fill_to(self._most)
        taken, self._pending = self._pending, b""
        return taken, True

    def _chunks(self) -> tuple[bytes, bool]:
        body = bytearray()
        while len(body) < self._most and self._fill(lambda: b"\r\n" in self._pending):
            line, _, self._pending = self._pending.partition(b"\r\n")
            if not SIZE.fullmatch(line):
                raise AmbiguousError(f"a chunk whose size is not just a number, {line[:200]!r}")
            size = int(line, 16)
            if not self._fill_to(size + 2):
                return bytes(body), False
            body += self._pending[:size]
            end, self._pending = self._pending[size : size + 2], self._pending[size + 2 :]
            if end != b"\r\n":
                raise AmbiguousError("a chunk that is longer than it says, or a trailer")
            if size == 0:
                return bytes(body), True
        return bytes(body), False

    def _fill_to(self, count: int) -> bool:
        return self._fill(lambda: len(self._pending) >= count)

    def _fill(self, enough: Callable[[], bool]) -> bool:
        """Read until there is enough, and tell whether there is."""
        with contextlib.suppress(OSError):
            while not enough() and (data := self._connection.recv(65536)):
                self._pending += data
        return enough()
