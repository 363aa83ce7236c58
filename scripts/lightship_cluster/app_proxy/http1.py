"""Reads HTTP/1.1 messages (RFC 9112) strictly: what could be understood in two ways is refused.

Answers may have the faults that RFC 9112 lets a proxy repair; what is passed on has none.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable
from dataclasses import dataclass

LONGEST_HEAD = 65536
LONGEST_CHUNK_LINE = 1024
PIECE = 65536
MOST_TRAILERS = 100
# The lengths of an answer whose body comes in chunks, or ends when the connection does.
CHUNKED, CLOSED = -1, -2

REQUEST = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+) (/[\x21-\x7e]*) HTTP/1\.[01]")
STATUS = re.compile(r"HTTP/1\.[01] ([1-5][0-9]{2})(?: [^\x00-\x08\x0a-\x1f\x7f]*)?")
FIELD = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\x00-\x08\x0a-\x1f\x7f]*?)[ \t]*")
_SPACE_BEFORE_COLON = re.compile(r"^([^:\s]+)[ \t]+:")
# The longest part of a field's name in an error message.
_SHOWN = 60
LENGTH = re.compile(r"[0-9]{1,18}")
CHUNK = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\r\n]*)?\r\n")
# Fields for one connection, not for the message (RFC 9110, 7.6.1).
HOP_BY_HOP = ("connection", "keep-alive", "proxy-connection", "te", "upgrade")


class BadMessageError(Exception):
    """A message that is not HTTP/1.1, or is ambiguous."""


@dataclass(frozen=True)
class Head:
    """The first line and the fields of a message, in order."""

    line: str
    fields: tuple[tuple[str, str], ...]

    def all(self, name: str) -> list[str]:
        """All values of a field."""
        return [value for key, value in self.fields if key.lower() == name]

    def one(self, name: str) -> str:
        """The value of a field that may occur once; empty if it is missing."""
        values = self.all(name)
        if len(values) > 1:
            raise BadMessageError(f"more than one {name}")
        return values[0] if values else ""

    def tokens(self, name: str) -> set[str]:
        """The members of a field that is a list, in lower case."""
        return {word.strip().lower() for value in self.all(name) for word in value.split(",")}

    def changed(self, line: str, drop: Iterable[str], add: Iterable[tuple[str, str]]) -> Head:
        """The head with another first line, without some fields and with others."""
        dropped = set(drop)
        kept = [(key, value) for key, value in self.fields if key.lower() not in dropped]
        return Head(line, (*kept, *add))

    def encode(self) -> bytes:
        """The bytes of the head."""
        lines = [self.line, *(f"{key}: {value}" for key, value in self.fields)]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


async def read_head(reader: asyncio.StreamReader) -> Head | None:
    """Read the next head; None if the other side closed the connection."""
    try:
        raw = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        if error.partial:
            raise BadMessageError("closed within a head") from error
        return None
    except asyncio.LimitOverrunError as error:
        raise BadMessageError("a head is too long") from error
    line, *rest = raw.decode("latin-1")[:-4].split("\r\n")
    return Head(line, tuple(map(_field, rest)))


async def read_answer(reader: asyncio.StreamReader) -> Head | None:
    """Read the head of an answer, and repair the faults that RFC 9112 lets a proxy repair (2.2, 5.1 and 5.2).

    Lines may end without a CR, a value may go on in lines that begin with a space, and a space may precede the colon.
    """
    lines: list[str] = []
    length = 0
    while True:
        try:
            raw = await reader.readuntil(b"\n")
        except asyncio.IncompleteReadError as error:
            if error.partial or lines:
                raise BadMessageError("closed within a head") from error
            return None
        except asyncio.LimitOverrunError as error:
            raise BadMessageError("a head is too long") from error
        length += len(raw)
        if length > LONGEST_HEAD:
            raise BadMessageError("a head is too long")
        line = raw[: -2 if raw.endswith(b"\r\n") else -1].decode("latin-1")
        if not line:
            break
        if line[0] in " \t" and len(lines) > 1:
            lines[-1] = f"{lines[-1].rstrip()} {line.strip()}"
        else:
            lines.append(line)
    if not lines:
        raise BadMessageError("a head is empty")
    return Head(lines[0], tuple(_field(_SPACE_BEFORE_COLON.sub(r"\1:", text, 1)) for text in lines[1:]))


def _field(text: str) -> tuple[str, str]:
    found = FIELD.fullmatch(text)
    if not found:
        raise BadMessageError(f"the field {text.partition(':')[0][:_SHOWN]!r} is malformed")
    return found[1], found[2]


def request_of(head: Head) -> tuple[str, str]:
    """The method and the target of a request."""
    found = REQUEST.fullmatch(head.line)
    if not found:
        raise BadMessageError("no request")
    # Some programs treat an underscore in a field's name as a dash.
    if any("_" in name for name, _ in head.fields):
        raise BadMessageError("an ambiguous field")
    return found[1], found[2]


def status_of(head: Head) -> int:
    """The status of an answer."""
    found = STATUS.fullmatch(head.line)
    if not found:
        raise BadMessageError(f"its first line is {head.line[:_SHOWN]!r}")
    return int(found[1])


def body_length(head: Head) -> int | None:
    """The length of a request's body; None if it comes in chunks."""
    coding, length = head.one("transfer-encoding"), head.one("content-length")
    if head.all("transfer-encoding"):
        if head.all("content-length") or coding.lower() != "chunked" or head.line.endswith("/1.0"):
            raise BadMessageError("the body's length is in doubt")
        return None
    if head.all("content-length") and not LENGTH.fullmatch(length):
        raise BadMessageError("the body's length is no number")
    return int(length or 0)


def answer_length(head: Head, method: str) -> int:
    """The length of an answer's body (RFC 9112, 6.3); CHUNKED or CLOSED if no number gives it."""
    if method == "HEAD" or status_of(head) in (204, 304):
        return 0
    if head.all("transfer-encoding"):
        return CHUNKED if head.tokens("transfer-encoding") == {"chunked"} else CLOSED
    lengths = set(head.all("content-length"))
    if not lengths:
        return CLOSED
    if len(lengths) > 1 or not LENGTH.fullmatch(lengths.pop()):
        raise BadMessageError("its length is in doubt")
    return int(head.all("content-length")[0])


async def copy_body(
    length: int | None, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, mend: bool = False
) -> None:
    """Copy exactly the body of a message; with `mend`, lines between chunks may end without a CR."""
    if length is None:
        await _copy_chunks(reader, writer, mend=mend)
    else:
        await _copy(reader, writer, length)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, count: int) -> None:
    while count:
        piece = await reader.read(min(count, PIECE))
        if not piece:
            raise BadMessageError("closed within a body")
        writer.write(piece)
        await writer.drain()
        count -= len(piece)


async def _copy_chunks(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, mend: bool) -> None:
    while True:
        found = CHUNK.fullmatch(await _line(reader, mend=mend))
        if not found:
            raise BadMessageError("a chunk is malformed")
        size = int(found[1], 16)
        writer.write(b"%x\r\n" % size)
        if not size:
            break
        await _copy(reader, writer, size)
        if await _line(reader, mend=mend) != b"\r\n":
            raise BadMessageError("a chunk is malformed")
        writer.write(b"\r\n")
    # Fields after the body are read and dropped.
    for _ in range(MOST_TRAILERS):
        if await _line(reader, mend=mend) == b"\r\n":
            writer.write(b"\r\n")
            await writer.drain()
            return
    raise BadMessageError("too many fields after a body")


async def _line(reader: asyncio.StreamReader, *, mend: bool) -> bytes:
    try:
        line = await reader.readuntil(b"\n" if mend else b"\r\n")
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
        raise BadMessageError("closed within a body, or a line is too long") from error
    if len(line) > LONGEST_CHUNK_LINE:
        raise BadMessageError("a line is too long")
    return line if line.endswith(b"\r\n") else line[:-1] + b"\r\n"
