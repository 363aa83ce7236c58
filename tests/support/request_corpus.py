"""Requests that programs are known to read in different ways: the corpus of the smuggling tests.

Each case is the bytes that one client sends on one connection. CASE stands for the case's own name in every path: an
answer or a request in the wrong place then says whose it is. HOST and OTHER stand for two links' host names.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

CASE = b"CASE"
RANDOM = 100
# Follows the odd part of each case.
SECOND = b"GET /smuggled-CASE HTTP/1.1\r\nHost: HOST\r\n\r\n"

# Lines that some programs take for "Transfer-Encoding: chunked", and others not.
CODINGS = [
    b"Transfer-Encoding: chunked",
    b"Transfer-Encoding:chunked",
    b"Transfer-Encoding:\tchunked",
    b"Transfer-Encoding:  chunked  ",
    b"Transfer-Encoding: chunked\t",
    b"TRANSFER-ENCODING: CHUNKED",
    b"tRANSFER-eNCODING: cHuNkEd",
    b"Transfer-Encoding : chunked",
    b"Transfer-Encoding\t: chunked",
    b" Transfer-Encoding: chunked",
    b"\tTransfer-Encoding: chunked",
    b"Transfer-Encoding: chunked, chunked",
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
    b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked",
    b"Transfer-Encoding: identity",
    b"Transfer-Encoding: identity, chunked",
    b"Transfer-Encoding: chunked, identity",
    b"Transfer-Encoding: gzip",
    b"Transfer-Encoding: gzip, chunked",
    b"Transfer-Encoding: cow\r\nTransfer-Encoding: chunked",
    b"Transfer-Encoding: chunked\r\nTE: trailers",
    b"Transfer-Encoding: chunk",
    b"Transfer-Encoding: xchunked",
    b"Transfer-Encoding: chunkedx",
    b"Transfer-Encoding: chunked;q=1",
    b"Transfer-Encoding: chunked;",
    b"Transfer-Encoding: chunked,",
    b"Transfer-Encoding: ,chunked",
    b"Transfer-Encoding: , ,chunked",
    b'Transfer-Encoding: "chunked"',
    b"Transfer-Encoding: 'chunked'",
    b"Transfer-Encoding: ch unked",
    b"Transfer-Encoding: \x0bchunked",
    b"Transfer-Encoding: chunked\x0b",
    b"Transfer-Encoding: \x0cchunked",
    b"Transfer-Encoding: \x00chunked",
    b"Transfer-Encoding: chunked\x00",
    b"Transfer-Encoding\x00: chunked",
    b"Transfer-Encoding: \xa0chunked",
    b"Transfer-Encoding: chunked\x85",
    b"Transfer-Encoding: \xffchunked",
    b"Transfer-Encoding:\r\n chunked",
    b"Transfer-Encoding:\r\n\tchunked",
    b"Transfer-Encoding: chunked\r\n x",
    b"Transfer-\r\n Encoding: chunked",
    b"X: x\r\n Transfer-Encoding: chunked",
    b"X: x\nTransfer-Encoding: chunked",
    b"X: x\rTransfer-Encoding: chunked",
    b"X: x\r\r\nTransfer-Encoding: chunked",
    b"X: x\n\rTransfer-Encoding: chunked",
    b"Transfer-Encoding: chunked\nX: x",
    b"Transfer-Encoding: chunked\rX: x",
    b"Transfer-Encoding:\nchunked",
    b"Transfer-Encoding:\rchunked",
    b"Transfer_Encoding: chunked",
    b"Transfer.Encoding: chunked",
    b"Transfer Encoding: chunked",
    b"Transfer-Encoding= chunked",
    b"Transfer-Encoding;: chunked",
    b"Transfer\xe2\x80\x90Encoding: chunked",
    b"\xefTransfer-Encoding: chunked",
    b"Content-Encoding: chunked",
    b": x\r\nTransfer-Encoding: chunked",
    b"Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked",
    b"Connection: Content-Length\r\nTransfer-Encoding: chunked",
    b"Proxy-Transfer-Encoding: chunked\r\nTE: chunked",
]

# Lines that some programs take for "Content-Length: 5", and others for another length or none.
LENGTHS = [
    b"Content-Length: 5\r\nContent-Length: 5",
    b"Content-Length: 5\r\nContent-Length: 0",
    b"Content-Length: 5, 5",
    b"Content-Length: 0\r\nContent-Length: 5",
    b"Content-Length: 5, 0",
    b"Content-Length: 0, 5",
    b"Content-Length: 5,",
    b"Content-Length: +5",
    b"Content-Length: -5",
    b"Content-Length: 0x5",
    b"Content-Length: 0005",
    b"Content-Length: 5.0",
    b"Content-Length: 5e0",
    b"Content-Length: 5_",
    b"Content-Length: 0_5",
    b"Content-Length: 5 5",
    b"Content-Length: 5;",
    b"Content-Length:",
    b"Content-Length:5",
    b"Content-Length:\t5\t",
    b'Content-Length: "5"',
    b"Content-Length: five",
    b"Content-Length: 18446744073709551621",
    b"Content-Length: 9223372036854775813",
    b"Content-Length: 4294967301",
    b"Content-Length: 5\x00",
    b"Content-Length: \x005",
    b"Content-Length\x00: 5",
    b"Content-Length: 5\x0b",
    b"Content-Length: \x0b5",
    b"Content-Length: \x0c5",
    b"Content-Length: \xa05",
    b"Content-Length: \xd9\xa5",
    b"Content-Length : 5",
    b"Content-Length\t: 5",
    b"Content_Length: 5",
    b"Content Length: 5",
    b" Content-Length: 5",
    b"Content-Length:\r\n 5",
    b"Content-Length: 0\r\n 5",
    b"X: x\nContent-Length: 5",
    b"X: x\rContent-Length: 5",
    b"Content-Length: 5\nX: x",
    b"Content-Length: 5\rX: x",
    b"Content-Length: 0\nContent-Length: 5",
    b"CONTENT-LENGTH: 5",
    b"Connection: Content-Length\r\nContent-Length: 5",
    b"Content-Length: 5\r\nContent_Length: 0",
]

# What may stand for "5\r\nhello\r\n0\r\n\r\n".
CHUNKS = [
    b"5;a=b\r\nhello\r\n0\r\n\r\n",
    b"5;\r\nhello\r\n0\r\n\r\n",
    b'5;a="b;c"\r\nhello\r\n0\r\n\r\n',
    b"5 ;a\r\nhello\r\n0\r\n\r\n",
    b"5;a\nb\r\nhello\r\n0\r\n\r\n",
    b'5;a="\r\n"\r\nhello\r\n0\r\n\r\n',
    b"5;a\rb\r\nhello\r\n0\r\n\r\n",
    b"5;\n\r\nhello\r\n0\r\n\r\n",
    b"5\nhello\n0\n\n",
    b"5\nhello\r\n0\r\n\r\n",
    b"5\rhello\r0\r\r",
    b"5\r\r\nhello\r\n0\r\n\r\n",
    b"5\r\nhello\n0\r\n\r\n",
    b"0x5\r\nhello\r\n0\r\n\r\n",
    b"+5\r\nhello\r\n0\r\n\r\n",
    b"-5\r\nhello\r\n0\r\n\r\n",
    b"5_\r\nhello\r\n0\r\n\r\n",
    b" 5\r\nhello\r\n0\r\n\r\n",
    b"5 \r\nhello\r\n0\r\n\r\n",
    b"5\t\r\nhello\r\n0\r\n\r\n",
    b"5\x00\r\nhello\r\n0\r\n\r\n",
    b"05\r\nhello\r\n0\r\n\r\n",
    b"0" * 60 + b"5\r\nhello\r\n0\r\n\r\n",
    b"0" * 20_000 + b"5\r\nhello\r\n0\r\n\r\n",
    b"10000000000000005\r\nhello\r\n0\r\n\r\n",
    b"100000005\r\nhello\r\n0\r\n\r\n",
    b"FFFFFFFFFFFFFFFF\r\nhello\r\n0\r\n\r\n",
    b"8000000000000005\r\nhello\r\n0\r\n\r\n",
    b"g\r\nhello\r\n0\r\n\r\n",
    b"\r\n5\r\nhello\r\n0\r\n\r\n",
    b"5,5\r\nhello\r\n0\r\n\r\n",
    b"5\r\nhello0\r\n\r\n",
    b"5\r\nhelloX\r\n0\r\n\r\n",
    b"5\r\nhelloXX0\r\n\r\n",
    b"5\r\nhello\r\n0\r\n",
    b"5\r\nhello\r\n0\n\r\n",
    b"5\r\nhello\r\n00\r\n\r\n",
    b"5\r\nhello\r\n0;a=b\r\n\r\n",
    b"5\r\nhello\r\n-0\r\n\r\n",
    b"5\r\nhello\r\n0x0\r\n\r\n",
    b"5\r\nhello\r\n0\r\nContent-Length: 99\r\nTransfer-Encoding: chunked\r\n"
    b"Host: OTHER\r\nX-Real-IP: 203.0.113.9\r\n\r\n",
    b"5\r\nhello\r\n0\r\n Folded: x\r\n\r\n",
    b"5\r\nhello\r\n0\r\nX : x\r\n\r\n",
    b"5\r\nhello\r\n0\r\nX: x\n\n",
    b"5\r\nhello\r\n0\r\nX\r\n\r\n",
    b"5\r\nhello\r\n0\r\nGET /smuggled-CASE HTTP/1.1\r\nHost: HOST\r\n\r\n",
    b"5\r\nhello\r\n0\r\nX: " + b"y" * 50_000 + b"\r\n\r\n",
    b"5;" + b"a" * 50_000 + b"\r\nhello\r\n0\r\n\r\n",
    b"1;a\r\nh\r\n" * 2_000 + b"0\r\n\r\n",
]

# First lines of requests; the Host header follows.
FIRST_LINES = [
    b"GET https://OTHER/CASE HTTP/1.1",
    b"GET https://HOST/CASE HTTP/1.1",
    b"GET http://HOST/CASE HTTP/1.1",
    b"GET //OTHER/CASE HTTP/1.1",
    b"GET https:HOST/CASE HTTP/1.1",
    b"GET https://x@HOST/CASE HTTP/1.1",
    b"GET https://HOST:443/CASE HTTP/1.1",
    b"GET OTHER/CASE HTTP/1.1",
    b"GET https://HOST HTTP/1.1",
    b"GET ?CASE HTTP/1.1",
    b"OPTIONS * HTTP/1.1",
    b"GET /CASE HTTP/1.1 HTTP/1.1",
    b"GET /CASE x HTTP/1.1",
    b"GET /CASE\tHTTP/1.1",
    b"GET\t/CASE HTTP/1.1",
    b"GET  /CASE  HTTP/1.1",
    b" GET /CASE HTTP/1.1",
    b"GET /CASE\x0bHTTP/1.1",
    b"GET /CASE\x0cHTTP/1.1",
    b"GET /CASE\x00 HTTP/1.1",
    b"GET /CASE\r HTTP/1.1",
    b"GET /CASE\n HTTP/1.1",
    b"GET /CASE#x HTTP/1.1",
    b"GET /CASE%0d%0aX:%20x HTTP/1.1",
    b"GET /CASE%00%20HTTP/1.1%0d%0a HTTP/1.1",
    b"GET /CASE\xff\x80 HTTP/1.1",
    b"GET /CASE HTTP/0.9",
    b"GET /CASE HTTP/1.0",
    b"GET /CASE HTTP/1.2",
    b"GET /CASE HTTP/2.0",
    b"GET /CASE HTTP/1.10",
    b"GET /CASE HTTP/01.1",
    b"GET /CASE http/1.1",
    b"GET /CASE HTTP/1,1",
    b"GET /CASE HTTP/1.1x",
    b"GET /CASE HTTP /1.1",
    b"POST /CASE HTTP/1.1",
    b"\nGET /CASE HTTP/1.1",
    b"\x00GET /CASE HTTP/1.1",
    b"\xef\xbb\xbfGET /CASE HTTP/1.1",
    b"CONNECT HOST:443 HTTP/1.1",
    b"CONNECT /CASE HTTP/1.1",
    b"get /CASE HTTP/1.1",
    b"G\x00ET /CASE HTTP/1.1",
    b"GET: /CASE HTTP/1.1",
    b"TRACK /CASE HTTP/1.1",
    b"X" * 5_000 + b" /CASE HTTP/1.1",
]

# Further headers of a GET.
HEADERS = [
    b"Host: OTHER",
    b"Host: HOST",
    b"X_Forwarded_Proto: http\r\nX.Real.IP: 203.0.113.9",
    b"X: a\rb",
    b"X: a\r\n\tb",
    b"X: a\x00b",
    b"X Y: x",
    b":",
    b"no colon",
    b"X\x7f: x",
    b"Expect: 100-continue",
    b"Upgrade: TLS/1.2\r\nConnection: Upgrade",
    b"Upgrade: websocket, h2c\r\nConnection: Upgrade",
    (
        b"Origin: https://HOST\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: eA=="
    ),
    b"Origin: https://HOST\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 777",
    b"Origin: https://OTHER\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13",
    b"Connection: close, X-Forwarded-For, X-Real-IP, X-Forwarded-Proto, Host\r\nX-Real-IP: 203.0.113.9",
    b"Connection: upgrade\r\nConnection: keep-alive\r\nKeep-Alive: timeout=9999\r\nProxy-Connection: keep-alive",
    b"Max-Forwards: 0\r\nRange: bytes=" + b"0-1," * 1_000 + b"5-6",
    b"TE: trailers, chunked\r\nTrailer: Content-Length",
]

# Whole requests.
WHOLE = [
    b"GET /CASE HTTP/1.1\r\nHost: OTHER\r\n Host: HOST\r\n\r\n",
    b"GET /CASE HTTP/1.1\r\nHost : OTHER\r\nHost: HOST\r\n\r\n",
    b"GET /CASE HTTP/1.1\r\nHost: HOST, OTHER\r\n\r\n",
    b"GET /CASE HTTP/1.1\r\nHost: HOST OTHER\r\n\r\n",
    b"GET /CASE HTTP/1.1\r\nHost: x@HOST\r\n\r\n",
    b"GET /CASE HTTP/1.1\r\nHost: HOST:443:80\r\n\r\n",
    b"GET /CASE HTTP/1.1\r\nHost: HOST/../OTHER\r\n\r\n",
    b"GET /CASE HTTP/1.1\r\nHost: HOST#OTHER\r\n\r\n",
    b"GET /CASE HTTP/1.1\r\nHost: HOST\x00OTHER\r\n\r\n",
    b"GET /CASE HTTP/1.1\r\nHost: HOST\nHost: OTHER\r\n\r\n",
    b"GET /CASE HTTP/1.1\r\nhost:HOST\r\nHoST:OTHER\r\n\r\n",
    (
        b"GET /CASE HTTP/1.1\r\nHost_: OTHER\r\nHost: HOST\r\nX_Real_IP: 203.0.113.9\r\n"
        b"X_Forwarded_For: 203.0.113.9\r\n\r\n"
    ),
    b"GET /CASE HTTP/1.1\r\n\r\n",
    b"GET https://HOST/CASE HTTP/1.1\r\nHost: OTHER\r\n\r\n",
    b"GET /CASE\r\n",
    b"GET /CASE\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"POST /CASE HTTP/1.0\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"GET /CASE HTTP/1.0\r\nHost: HOST\r\nConnection: keep-alive\r\n\r\n",
    (
        b"POST /CASE HTTP/1.0\r\nHost: HOST\r\nConnection: keep-alive\r\nContent-Length: 5\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    ),
    b"GET /CASE HTTP/1.1\r\nHost: HOST\r\nContent-Length: 5\r\n\r\nhello",
    b"HEAD /CASE HTTP/1.1\r\nHost: HOST\r\nContent-Length: 5\r\n\r\nhello",
    b"GET /CASE HTTP/1.1\nHost: HOST\n\n",
    b"GET /CASE HTTP/1.1\r\nHost: HOST\r\n\n",
    b"GET /CASE HTTP/1.1\r\nHost: HOST\n\r\n",
    b"GET /CASE HTTP/1.1\rHost: HOST\r\r",
    b"GET /CASE HTTP/1.1\r\nX: x\r\n\tHost: OTHER\r\nHost: HOST\r\n\r\n",
    b"\r\n\r\nGET /CASE HTTP/1.1\r\nHost: HOST\r\n\r\n",
    b"TRACE /CASE HTTP/1.1\r\nHost: HOST\r\nCookie: secret=1\r\n\r\n",
    b"POST /CASE HTTP/1.1\r\nHost: HOST\r\nX-HTTP-Method-Override: TRACE\r\nContent-Length: 0\r\n\r\n",
    b"POST /CASE HTTP/1.1\r\nHost: HOST\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello",
    b"POST /CASE HTTP/1.1\r\nHost: HOST\r\nExpect: 100-CONTINUE, x\r\nContent-Length: 5\r\n\r\nhello",
    b"POST /CASE HTTP/1.1\r\nHost: HOST\r\nExpect: 200-ok\r\nContent-Length: 5\r\n\r\nhello",
    b"POST /CASE HTTP/1.1\r\nHost: HOST\r\nExpect:\r\n 100-continue\r\nContent-Length: 5\r\n\r\nhello",
    b"POST /CASE HTTP/1.0\r\nHost: HOST\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello",
    (
        b"GET /CASE HTTP/1.1\r\nHost: HOST\r\nUpgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\n"
        b"HTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\nPRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    ),
    (
        b"POST /CASE HTTP/1.1\r\nHost: HOST\r\nOrigin: https://HOST\r\nUpgrade: websocket\r\n"
        b"Connection: Upgrade\r\nContent-Length: 5\r\n\r\nhello"
    ),
]


def requests(host: str, other: str) -> Iterator[tuple[str, str, bytes]]:
    """Yield each case's name, its description, and what the client sends.

    Args:
        host: the host name of the link that is attacked.
        other: that of its neighbour.
    """
    for number, (description, text) in enumerate(_templates(host, other)):
        case = f"case-{number:04}"
        yield case, f"{case}, {description}", text.replace(CASE, case.encode())


def _templates(host: str, other: str) -> Iterator[tuple[str, bytes]]:
    def named(text: bytes) -> bytes:
        return text.replace(b"HOST", host.encode()).replace(b"OTHER", other.encode())

    post, second = named(b"POST /CASE HTTP/1.1\r\nHost: HOST\r\n"), named(SECOND)
    for line in CODINGS:
        # The first program sees one body, of the length; the second sees its end after five bytes, and another request.
        body = b"0\r\n\r\n" + second
        length = b"Content-Length: %d" % _length(body)
        yield f"CL.TE {line!r}", post + length + b"\r\n" + line + b"\r\n\r\n" + body
        yield f"TE.CL with all {line!r}", post + line + b"\r\n" + length + b"\r\n\r\n" + body
        # The other way round: one chunk to the first, and to the second a short body and another request.
        chunk = b"%x\r\n" % _length(second) + second + b"\r\n0\r\n\r\n"
        yield f"TE.CL {line!r}", post + b"Content-Length: 4\r\n" + line + b"\r\n\r\n" + chunk
        yield f"TE {line!r}", post + line + b"\r\n\r\n" + body
    for line in LENGTHS:
        yield f"CL {line!r}", post + line + b"\r\n\r\nhello" + second
    for body in CHUNKS:
        yield f"chunks {body[:60]!r}", post + b"Transfer-Encoding: chunked\r\n\r\n" + named(body) + second
    get, end = b"GET /CASE HTTP/1.1\r\nHost: HOST\r\n", b"\r\n\r\n"
    for head in (
        *(line + b"\r\nHost: HOST" + end for line in FIRST_LINES),
        *(get + more + end for more in HEADERS),
        *WHOLE,
    ):
        yield f"head {head[:160]!r}", named(head) + second
    chance = random.Random(12)  # noqa: S311 - only to be the same each time
    chunks = b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
    for _ in range(RANDOM):
        mangled = _mangled(chance, post + chance.choice([b"Content-Length: 5\r\n\r\nhello", chunks]))
        yield f"mangled {mangled!r}", mangled + second


def _length(text: bytes) -> int:
    return len(text.replace(CASE, b"case-0000"))


def _mangled(chance: random.Random, request: bytes) -> bytes:
    """Return a request with one to three bytes changed, taken out or put in."""
    text = bytearray(request)
    for _ in range(chance.randint(1, 3)):
        place = chance.randrange(len(text))
        byte = chance.choice(b"\r\n\t \x00\x0b:;,/.0159xXgGT-_+\x7f\xff")
        kind = chance.choice(["change", "insert", "remove"])
        text[place : place + (kind != "insert")] = b"" if kind == "remove" else bytes([byte])
    return bytes(text)
