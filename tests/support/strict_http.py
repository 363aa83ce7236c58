"""A fake notebook that reads HTTP/1.1 to the letter and complains of all that others might read in another way.

Request smuggling needs two programs that read the same bytes differently. What this notebook accepts has one meaning
only, so it shows that no program behind the web server has a choice.
"""

from __future__ import annotations

import contextlib
import re
import socket
from dataclasses import dataclass, field

from support.fake_notebook import HERE, Notebook

LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+) ([\x21-\x7e\x80-\xff]+) HTTP/1\.[01]")
HEADER = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\t\x20-\x7e\x80-\xff]*)")
SIZE = re.compile(rb"[0-9A-Fa-f]{1,8}")
LENGTH = re.compile(rb"[0-9]{1,18}")
# What frames a request or tells of its way. Programs that get headers as variables take an underscore for a hyphen.
GUARDED = {b"content-length", b"transfer-encoding", b"x-real-ip", b"x-forwarded-for", b"x-forwarded-proto", b"x-scheme"}
LONGEST = 1 << 20


class AmbiguousError(Exception):
    """Something came that two programs may read differently."""


@dataclass(frozen=True)
class Request:
    """A request as it reached the notebook."""

    method: bytes
    target: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes

    def header(self, name: bytes) -> list[bytes]:
        """Return every value of a header whose name is given in small letters."""
        return [value for key, value in self.headers if key.lower() == name]


@dataclass
class StrictNotebook(Notebook):
    """Answers each request with its own host, method, target and size of body; the handler is not asked."""

    requests: list[Request] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            connection = self._secure(connection)
            self.connections.append(connection)
            stream = Stream(connection, self.received)
            try:
                while request := stream.request():
                    self.requests.append(request)
                    connection.sendall(echo(request))
            except AmbiguousError as error:
                self.complaints.append(f"{error}, in {stream.seen[-2000:]!r}")
        connection.close()


def echo(request: Request) -> bytes:
    """Return the answer to a request, which says which one it answers."""
    words = (b"".join(request.header(b"host")), request.method, request.target, str(len(request.body)).encode())
    body = b" ".join(words)
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n" % len(body)
    return head + (b"" if request.method == b"HEAD" else body)


@dataclass
class Stream:
    """The bytes of one connection from the web server."""

    connection: socket.socket
    received: list[bytes]
    pending: bytes = b""
    seen: bytes = b""

    def request(self) -> Request | None:
        """Return the next request, or None at the connection's end, which may cut a request whose client went away.

        Raises:
            AmbiguousError: its meaning depends on who reads it.
        """
        try:
            head = self._until(b"\r\n\r\n")
            method, target, headers = _head(head)
            request = Request(method, target, headers, self._body(headers))
        except EOFError:
            return None
        _check_what_the_web_server_says(request)
        return request

    def _body(self, headers: tuple[tuple[bytes, bytes], ...]) -> bytes:
        lengths = [value for name, value in headers if name.lower() == b"content-length"]
        codings = [value for name, value in headers if name.lower() == b"transfer-encoding"]
        if len(lengths) + len(codings) > 1:
            raise AmbiguousError("a body with two lengths")
        if any(name.lower() == b"expect" for name, _ in headers):
            self.connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        if lengths:
            if not LENGTH.fullmatch(lengths[0]):
                raise AmbiguousError("a length that is no number")
            return self._exactly(int(lengths[0]))
        if codings and codings[0].lower() != b"chunked":
            raise AmbiguousError("an unknown transfer coding")
        return self._chunks() if codings else b""

    def _chunks(self) -> bytes:
        body = b""
        while True:
            line = self._until(b"\r\n")
            if not SIZE.fullmatch(line):
                raise AmbiguousError("a chunk whose size is not just a number")
            size = int(line, 16)
            body += self._exactly(size)
            if self._until(b"\r\n"):
                raise AmbiguousError("a chunk that is longer than it says, or a trailer")
            if size == 0:
                return body

    def _until(self, end: bytes) -> bytes:
        while end not in self.pending:
            if len(self.pending) > LONGEST:
                raise AmbiguousError("no end of a line")
            self._receive()
        taken, self.pending = self.pending.split(end, 1)
        return taken

    def _exactly(self, count: int) -> bytes:
        while len(self.pending) < count:
            self._receive()
        taken, self.pending = self.pending[:count], self.pending[count:]
        return taken

    def _receive(self) -> None:
        data = self.connection.recv(65536)
        if not data:
            raise EOFError
        self.received.append(data)
        self.pending += data
        self.seen = (self.seen + data)[-LONGEST:]


def _head(head: bytes) -> tuple[bytes, bytes, tuple[tuple[bytes, bytes], ...]]:
    line, *rest = head.split(b"\r\n")
    first = LINE.fullmatch(line)
    if not first:
        raise AmbiguousError("a line that begins no request")
    headers = []
    for text in rest:
        header = HEADER.fullmatch(text)
        if not header:
            raise AmbiguousError(f"a line {text!r} that is no header")
        name, value = header[1], header[2].strip(b" \t")
        if b"_" in name and name.lower().replace(b"_", b"-") in GUARDED:
            raise AmbiguousError(f"a look-alike of a guarded header, {name!r}")
        headers.append((name, value))
    return first[1], first[2], tuple(headers)


def _check_what_the_web_server_says(request: Request) -> None:
    """A request that the web server did not know to be one lacks these, or has what a client wrote."""
    expected = {b"x-real-ip": HERE.encode(), b"x-forwarded-for": HERE.encode(), b"x-forwarded-proto": b"https"}
    for name, value in expected.items():
        if request.header(name) != [value]:
            raise AmbiguousError(f"a request with {name!r} {request.header(name)!r}, not the web server's own word")
    if len(request.header(b"host")) != 1:
        raise AmbiguousError("a request that names not one host")
