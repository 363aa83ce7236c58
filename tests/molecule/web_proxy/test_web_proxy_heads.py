"""A notebook's answer goes through the web server's filters whatever its head looks like, or it does not go out."""

from __future__ import annotations

import contextlib
import random
import re
import socket
import ssl

import pytest

from support.fake_notebook import UPGRADE, Browser, Start
from support.proxy_host import DOMAIN, SERVER, TESTINFRA_HOSTS

testinfra_hosts = TESTINFRA_HOSTS

NAME = "quiet-river-stone"
LINK = f"{NAME}.{DOMAIN}"
# What no neighbour may be sent. The web server takes all of it out of a head that it can read.
EVIL = f"Set-Cookie: evil=1; Domain={DOMAIN}\r\nClear-Site-Data: evil\r\nConnection: close\r\n\r\n".encode()
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"

# Each of these lines web servers take for the body of an answer of HTTP/0.9.
NO_STATUS_LINE = [
    *(b"\nHTTP/1.1 200 OK\r\n", b"\r\nHTTP/1.1 200 OK\r\n", b" HTTP/1.1 200 OK\r\n", b"\x00HTTP/1.1 200 OK\r\n"),
    *(b"HTTP/1.1 101\tx\r\n", b"HTTP/1.1 200\tOK\r\n", b"HTTP/1.1\t200 OK\r\n", b"HTTP/01.1 200 OK\r\n"),
    *(b"HTTP/1.1 200 O\rK\r\n", b"HTTP/1.1 200 OK\r\r\n", b"HTTP/1.1 20 OK\r\n", b"HTTP/1.1 2000 OK\r\n"),
    *(b"HTTP/1. 200 OK\r\n", b"HTTP/1.1.1 200 OK\r\n", b"HTTP/1 200 OK\r\n", b"HTTP/-1.1 200 OK\r\n"),
    *(b"http/1.1 200 OK\r\n", b"ICY 200 OK\r\n", b"HTTPS/1.1 200 OK\r\n", b"<h1>\r\n\r\nHTTP/1.1 200 OK\r\n", b"\r\n"),
    *(b"HTTP/1.1 101;Switching\r\n", b"HTTP/1.1 101Switching\r\n", b"HTTP/1.1200 OK\r\n", b"HTTP/1.1 2\x000 OK\r\n"),
]
# Each of these is read, and what follows it would not be.
BEFORE_ANOTHER_HEAD = [
    *(b"HTTP/1.1 100 Continue\r\n", b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n", b"HTTP/1.1 102 Processing\r\n"),
    *(b"HTTP/1.1 199 x\r\n", b"HTTP/1.1 000 x\r\n", b"HTTP/1.1 001\r\n", b"HTTP/1.1 110 x\r\n"),
]
# The first three were not asked for, or something else was.
NO_SWITCH = [
    *(b"Upgrade: h2c\r\n", b"", b"Upgrade: websocket, h2c\r\n"),
    *(b"Upgrade: websocket\r\nUpgrade: websocket\r\n", b"Upgrade:\r\n", b"Upgrade: websockets\r\n"),
]


def received(browser: Browser, headers: str = "") -> bytes:
    """Ask as a client of HTTP/1.1 does and return every byte that comes until the connection ends."""
    with browser.connect(LINK) as connection:
        connection.sendall(f"GET /x HTTP/1.1\r\nHost: {LINK}\r\n{headers}Connection: close\r\n\r\n".encode())
        seen = b""
        while data := connection.recv(65536):
            seen += data
        return seen


def socket_headers(origin: str = f"https://{LINK}") -> str:
    """Return what a page's WebSocket sends."""
    return "".join(f"{name}: {value}\r\n" for name, value in {**UPGRADE, "Origin": origin}.items())


def is_our_page(answer: bytes) -> bool:
    """Tell whether these are the bytes of the web server's own page, whole, and no others."""
    head, _, body = answer.partition(b"\r\n\r\n")
    length = re.search(rb"\r\nContent-Length: (\d+)(\r\n|$)", head)
    assert length, answer
    assert all(re.fullmatch(rb"[A-Za-z-]+: [^\\]+", line) for line in head.split(b"\r\n")[1:]), head
    return answer.startswith(b"HTTP/1.1 502 ") and int(length[1]) == len(body) and b"</html>" in body


def assert_filtered(answer: bytes, sent: bytes) -> None:
    """Fail unless a client gets one head, of the web server's own writing, with nothing in it for neighbours."""
    head = answer.partition(b"\r\n\r\n")[0]
    assert re.match(rb"HTTP/1\.1 [02-9]\d\d[ \r]", head), sent
    assert b"Domain" not in head, sent
    assert b"Clear-Site-Data" not in head, sent


class Raw:
    """A notebook that answers with the bytes it was last given, and ends."""

    answer = b""

    def __call__(self, connection: socket.socket, _request: bytes) -> None:
        """Send them."""
        connection.sendall(self.answer)
        connection.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def raw(start: Start) -> Raw:
    notebook = Raw()
    start(NAME, handler=notebook)
    return notebook


@pytest.mark.parametrize("headers", ["", socket_headers()], ids=["request", "websocket"])
def test_a_head_that_is_not_read_never_goes_out(raw: Raw, browser: Browser, headers: str) -> None:
    for line in (*NO_STATUS_LINE, *(line + EVIL + b"HTTP/1.1 200 OK\r\n" for line in BEFORE_ANOTHER_HEAD)):
        raw.answer = line + EVIL + b"evil"
        answer = received(browser, headers)
        if SERVER.filters_all_heads:
            assert is_our_page(answer), line
            assert b"evil" not in answer, line
        else:
            assert_filtered(answer, line)


def test_a_switch_to_something_else_or_that_nobody_asked_for_is_refused(raw: Raw, browser: Browser) -> None:
    asked = [(b"HTTP/1.1 101 Switching Protocols\r\n" + more, socket_headers()) for more in NO_SWITCH]
    for head, headers in (*asked, *((SWITCH, sent) for sent in ("", "Upgrade: h2c\r\n", "Upgrade: TLS/1.0\r\n"))):
        if head.count(b"Upgrade: websocket\r\n") > 1 and not SERVER.filters_all_heads:
            # The same answer twice, which Apache takes for the one that was asked for.
            continue
        raw.answer = head + EVIL + b"evil"
        answer = received(browser, headers)
        assert is_our_page(answer), head
        assert b"evil" not in answer, head


def test_the_head_of_a_switch_is_filtered_like_any_other(raw: Raw, browser: Browser) -> None:
    raw.answer = SWITCH + EVIL + b"frames"
    head, _, rest = received(browser, socket_headers()).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 101 ")
    assert rest == b"frames"
    assert b"\r\nSet-Cookie: evil=1" in head
    if SERVER.filters_all_heads:
        assert b"Domain" not in head
        assert b"Clear-Site-Data" not in head


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """Return a frame of HTTP/2."""
    return len(payload).to_bytes(3) + bytes([kind, flags]) + stream.to_bytes(4) + payload


def over_http2(browser: Browser, **headers: str) -> bytes:
    """Ask over HTTP/2 with any header, as no browser does, and return what came until all was answered."""
    known = {":method": "GET", ":scheme": "https", ":path": "/x", ":authority": LINK, "origin": f"https://{LINK}"}
    pairs = ((name.encode(), value.encode()) for name, value in {**known, **headers}.items())
    block = b"".join(bytes([0, len(name)]) + name + bytes([len(value)]) + value for name, value in pairs)
    context = ssl.create_default_context(
        cadata="".join(map(ssl.DER_cert_to_PEM_cert, browser.trust.get_ca_certs(binary_form=True)))
    )
    context.set_alpn_protocols(["h2"])
    with Browser(context).connect(LINK) as connection:
        # The preface, settings, and the request with its end.
        connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, b"") + frame(1, 5, 1, block))
        seen = b""
        connection.settimeout(5)
        # A server that takes such a request for a mistake of the protocol ends its stream, and the connection stays.
        with contextlib.suppress(TimeoutError):
            while b"</html>" not in seen and b"evil" not in seen and (data := connection.recv(65536)):
                seen += data
        return seen


def test_nothing_is_switched_to_over_http2(raw: Raw, browser: Browser) -> None:
    for raw.answer in (SWITCH + EVIL + b"evil", b"\n" + SWITCH + EVIL + b"evil"):
        answer = over_http2(browser, upgrade="websocket")
        assert b"</html>" in answer or not SERVER.filters_all_heads
        assert b"evil" not in answer


def test_odd_heads_that_are_read_are_filtered(raw: Raw, browser: Browser) -> None:
    read = (
        b"HTTP/1.1 200\r\n",
        b"HTTP/1.0 200 OK\r\n",
        b"HTTP/1.1 200 \xc3\xa9\r\n",
        b"HTTP/1.1 299 x\n",
        b"HTTP/1.1 200. x\r\n",
    )
    # Of these other digits than were read could be passed on.
    gaps = (b"HTTP/1.1 2 00 OK\r\n", b"HTTP/1.1 20 0 OK\r\n", b"HTTP/1.1  2 10 OK\r\n")
    for line in (*read, *gaps):
        raw.answer = line + EVIL + b"notebook"
        head, _, body = received(browser).partition(b"\r\n\r\n")
        assert re.match(rb"HTTP/1\.1 2\d\d[ \r]", head), line
        assert b"notebook" in body
        assert b"Domain" not in head
        assert b"Clear-Site-Data" not in head


def mangled(chance: random.Random) -> bytes:
    """Return a head of an answer with one to three bytes changed, taken out or put in, mostly in its first line."""
    head = bytearray(
        chance.choice([b"HTTP/1.1 200 OK\r\n", SWITCH, b"HTTP/1.1 103 x\r\n\r\nHTTP/1.1 200 OK\r\n"]) + EVIL
    )
    for _ in range(chance.randint(1, 3)):
        place = chance.randrange(20 if chance.random() < 0.8 else len(head))
        byte = chance.choice(b"\r\n\t \x00:/.1029Hx\x7f\xff")
        kind = chance.choice(["change", "insert", "remove"])
        head[place : place + (kind != "insert")] = b"" if kind == "remove" else bytes([byte])
    return bytes(head)


def test_whatever_a_notebook_sends_a_client_gets_one_head_that_was_filtered(raw: Raw, browser: Browser) -> None:
    chance = random.Random(9)  # noqa: S311 - only to be the same each time
    for round_ in range(100):
        raw.answer = mangled(chance)
        answer = received(browser, socket_headers() if round_ % 2 else "")
        head = answer.partition(b"\r\n\r\n")[0] + b"\r\n"
        status = re.match(rb"HTTP/1\.1 (101|[2-9]\d\d)" + (rb"[ \r]" if SERVER.filters_all_heads else b""), head)
        assert status, raw.answer
        assert status[1] != b"101" or round_ % 2, raw.answer
        if SERVER.filters_all_heads or status[1] != b"101":
            assert not re.search(rb"(?i)\r\n(clear-site-data|set-cookie:[^\r]*;\s*domain\s*=)", head), raw.answer
        # No client finds the end of a head where the web server does not.
        assert not re.search(rb"\r[^\n]|[^\r]\n", head), raw.answer
