from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from lightship_cluster.app_proxy.http1 import (
    LONGEST_HEAD,
    BadMessageError,
    Head,
    body_length,
    copy_body,
    read_answer,
    read_head,
    request_of,
    status_of,
)

Read = Callable[[asyncio.StreamReader], "Awaitable[Head | None]"]


def head_of(raw: bytes, read: Read = read_head) -> Head:
    async def go() -> Head:
        reader = asyncio.StreamReader(LONGEST_HEAD)
        reader.feed_data(raw)
        reader.feed_eof()
        head = await read(reader)
        assert head
        return head

    return asyncio.run(go())


class Sink:
    def __init__(self) -> None:
        self.written = b""

    def write(self, data: bytes) -> None:
        self.written += data

    async def drain(self) -> None:
        pass


def body_of(fields: str, raw: bytes) -> tuple[bytes, bytes]:
    """What is passed on, and what is left."""

    async def go() -> tuple[bytes, bytes]:
        reader, sink = asyncio.StreamReader(), Sink()
        reader.feed_data(f"POST / HTTP/1.1\r\n{fields}\r\n".encode() + raw)
        reader.feed_eof()
        head = await read_head(reader)
        assert head
        await copy_body(body_length(head), reader, sink)  # type: ignore[arg-type]
        return sink.written, await reader.read()

    return asyncio.run(go())


def test_a_head_stays_as_it_is() -> None:
    raw = b"GET /a?b=%20c HTTP/1.1\r\nHost: x\r\nCookie: a=1\r\nX-Empty:\r\n\r\n"
    head = head_of(raw)
    assert request_of(head) == ("GET", "/a?b=%20c")
    assert (head.one("host"), head.one("x-empty"), head.one("absent")) == ("x", "", "")
    assert head.encode() == raw.replace(b"X-Empty:", b"X-Empty: ")


@pytest.mark.parametrize(
    "raw",
    [
        b"GET  / HTTP/1.1\r\n\r\n",
        b"GET http://elsewhere/ HTTP/1.1\r\n\r\n",
        b"GET / HTTP/2\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost : x\r\n\r\n",
        b"GET / HTTP/1.1\r\n folded: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nA: x\r\n y\r\n\r\n",
        b"GET / HTTP/1.1\r\nA: x\ny\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent_Length: 3\r\n\r\n",
        b"GET / HTTP/1.1\r\nA: x\0y\r\n\r\n",
        b"GET /\x7f HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nA",
    ],
)
def test_what_is_in_doubt_is_refused(raw: bytes) -> None:
    with pytest.raises(BadMessageError):
        request_of(head_of(raw))


def test_a_status_is_read() -> None:
    assert status_of(head_of(b"HTTP/1.0 404 Not Found\r\n\r\n")) == 404
    with pytest.raises(BadMessageError):
        status_of(head_of(b"HTTP/1.1 9 x\r\n\r\n"))


def test_the_first_version_knows_no_chunks() -> None:
    with pytest.raises(BadMessageError):
        body_length(head_of(b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"))


def test_exactly_the_body_is_passed_on() -> None:
    assert body_of("Content-Length: 3\r\n", b"abcGET /next") == (b"abc", b"GET /next")
    assert body_of("", b"GET /next") == (b"", b"GET /next")
    chunks = b"3;note=x\r\nabc\r\n0\r\nTrailer: x\r\n\r\nGET /next"
    assert body_of("Transfer-Encoding: chunked\r\n", chunks) == (b"3\r\nabc\r\n0\r\n\r\n", b"GET /next")


@pytest.mark.parametrize(
    ("fields", "raw"),
    [
        ("Content-Length: 3\r\nContent-Length: 3\r\n", b"abc"),
        ("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n"),
        ("Transfer-Encoding: gzip, chunked\r\n", b"0\r\n\r\n"),
        ("Content-Length: +3\r\n", b"abc"),
        ("Content-Length:\r\n", b""),
        ("Transfer-Encoding:\r\nContent-Length: 3\r\n", b"abc"),
        ("Content-Length: 4\r\n", b"abc"),
        ("Transfer-Encoding: chunked\r\n", b"0x3\r\nabc\r\n0\r\n\r\n"),
        ("Transfer-Encoding: chunked\r\n", b"3\r\nabcd\r\n0\r\n\r\n"),
        ("Transfer-Encoding: chunked\r\n", b"3\r\nabc\r\n0\r\n" + b"A: b\r\n" * 101 + b"\r\n"),
    ],
)
def test_a_body_whose_length_is_in_doubt_is_refused(fields: str, raw: bytes) -> None:
    with pytest.raises(BadMessageError):
        body_of(fields, raw)


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 OK\r\nServer: old\r\nX-Long: one two\r\n\r\n",
        b"HTTP/1.1 200 OK\nServer: old\nX-Long: one two\n\n",
        b"HTTP/1.1 200 OK\r\nServer: old\nX-Long: one two\r\n\n",
        b"HTTP/1.1 200 OK\r\nServer: old\r\nX-Long: one\r\n  two\r\n\r\n",
        b"HTTP/1.1 200 OK\nServer: old\nX-Long:\n\tone\n two\n\n",
        b"HTTP/1.1 200 OK\r\nServer : old\r\nX-Long: one two\r\n\r\n",
    ],
)
def test_an_answer_is_passed_on_mended(raw: bytes) -> None:
    head = head_of(raw + b"body", read_answer)
    assert status_of(head) == 200
    assert head.encode() == b"HTTP/1.1 200 OK\r\nServer: old\r\nX-Long: one two\r\n\r\n"


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"HTTP/1.1 200 OK\r\n folded: 1\r\n\r\n", "' folded' is malformed"),
        (b"HTTP/1.1 200 OK\r\nA: 1\rB: 2\r\n\r\n", "'A' is malformed"),
        (b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n", "'no colon' is malformed"),
        (b"\nHTTP/1.1 200 OK\r\n\r\n", "empty"),
        (b"HTTP/1.1 200 OK\nA: 1", "closed within"),
        (b"HTTP/1.1 200 OK\n" + b"A: 1\n" * 20000 + b"\n", "too long"),
        (b"HTTP/1.1 200 OK\nA: " + b"1" * LONGEST_HEAD * 3 + b"\n\n", "too long"),
    ],
)
def test_an_answer_that_could_be_understood_in_two_ways_is_refused(raw: bytes, why: str) -> None:
    with pytest.raises(BadMessageError, match=why):
        head_of(raw, read_answer)


@pytest.mark.parametrize("raw", [b"GET / HTTP/1.1\nHost: x\n\n", b"GET / HTTP/1.1\r\nHost: x\r\n y\r\n\r\n"])
def test_a_request_is_not_mended(raw: bytes) -> None:
    with pytest.raises(BadMessageError):
        head_of(raw)
