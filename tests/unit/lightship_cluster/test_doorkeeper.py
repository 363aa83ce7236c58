"""The door before a program that knows no token, with real TLS, and behind it real programs on loopback."""

from __future__ import annotations

import asyncio
import http.client
import resource
import socket
import ssl
import struct
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from lightship_cluster import doorkeeper
from lightship_cluster.doorkeeper import COOKIE, Doorkeeper
from lightship_cluster.job_log import say_once
from lightship_cluster.notebook_probe import pick_port, serves
from lightship_cluster.place import Place
from unit.lightship_cluster.world import self_signed

TOKEN = "0123456789abcdef" * 2
ORIGIN = "https://one-two-three.notebooks.test"
GUESTS = 16
# Answers of programs that take HTTP lightly, by path.
OLDER = {
    "/unix-lines": b"HTTP/1.0 200 OK\nContent-Type: text/plain\nX-Long: a\n b\n\nodd",
    "/folded": b"HTTP/1.1 200 OK\r\nX-Long: a\r\n\tb\r\nContent-Length: 3\r\n\r\nodd",
    "/spaced": b"HTTP/1.1 200 OK\r\nX-Long : a b\r\n\r\nodd",
}
ODD = dict(OLDER)


@dataclass
class House:
    """A door, the programs behind it, and how the proxy knocks."""

    port: int
    context: ssl.SSLContext
    asked: list[tuple[str, str, dict[str, str], bytes]]
    guests: set[Any]
    unknown: dict[socket.socket, None]

    def knock(self) -> ssl.SSLSocket:
        plain = socket.create_connection(("127.0.0.1", self.port), 10)
        return self.context.wrap_socket(plain, server_hostname="localhost")

    def ask(
        self, method: str, path: str, headers: Mapping[str, str] = {}, body: bytes | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection("localhost", timeout=10)
        connection.sock = self.knock()
        connection.request(method, path, body, dict(headers))
        answer = connection.getresponse()
        found = answer.status, dict(answer.getheaders()), answer.read()
        connection.close()
        return found

    def cookie(self) -> str:
        return self.ask("GET", f"/?token={TOKEN}")[1]["Set-Cookie"].partition(";")[0]


def behind(asked: list[Any]) -> type[BaseHTTPRequestHandler]:
    class Program(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            if self.path == "/too-large":
                self.wfile.write(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 9\r\n\r\ntoo large")
                # Long enough for the answer to be heard, and without listening any longer.
                time.sleep(0.5)
                self.close_connection = True
                return
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            asked.append((self.command, self.path, {key.lower(): text for key, text in self.headers.items()}, body))
            if self.path in (*ODD, "/no-http"):
                self.wfile.write(ODD.get(self.path, b"200 fine\r\n\r\n"))
                self.close_connection = True
                return
            if self.path == "/early":
                self.wfile.write(b"HTTP/1.1 103 Early Hints\r\nContent-Length: 0\r\nLink: </a>\r\n\r\n")
            if self.path == "/unasked":
                self.wfile.write(b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n")
                return
            if self.headers.get("Upgrade") and self.path != "/no-websocket":
                self.send_response(101)
                self.send_header("Upgrade", "websocket")
                self.send_header("Connection", "Upgrade")
                self.end_headers()
                while piece := self.connection.recv(100):
                    self.connection.sendall(piece.upper())
                self.close_connection = True
                return
            text = b"hello from the program"
            self.send_response(200)
            self.send_header("Content-Length", str(len(text)))
            # A program that does not do what it was asked: the door must close all the same.
            self.send_header("Connection", "keep-alive")
            self.end_headers()
            self.wfile.write(text)
            self.close_connection = False

        do_GET = do_POST = do_PUT = _answer  # noqa: N815

        def log_message(self, *_: Any) -> None:
            pass

    return Program


class Programs(ThreadingHTTPServer):
    def handle_error(self, *_: Any) -> None:
        """Say nothing of browsers that went: that may be after the test, when there is nowhere to say it."""


@pytest.fixture
def house(tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    certificate, key = self_signed(tmp_path, "localhost")
    (tmp_path / "proxy").mkdir()
    proxy, proxy_key = self_signed(tmp_path / "proxy", "proxy")
    for name, source in (("certificate.pem", certificate), ("key.pem", key), ("proxy_ca.pem", proxy)):
        if source != tmp_path / name:
            (tmp_path / name).write_bytes(source.read_bytes())
    asked: list[Any] = []
    server = Programs(("127.0.0.1", 0), behind(asked))
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    text = certificate.read_text()
    place = Place(tmp_path, "one-two-three.notebooks.test", "127.0.0.1", pick_port("127.0.0.1"), text, TOKEN, tmp_path)

    async def connect() -> Any:
        return await asyncio.open_connection("127.0.0.1", server.server_address[1])

    monkeypatch.setattr(doorkeeper, "MOST_GUESTS", GUESTS)
    door = Doorkeeper(place, ORIGIN, connect)
    door.start()
    while not serves(place.address, place.port, text):
        pass
    context = ssl.create_default_context(cadata=text)
    context.check_hostname = False
    context.load_cert_chain(proxy, proxy_key)
    yield House(place.port, context, asked, door._guests, door._unknown)
    wait_until_empty(House(place.port, context, asked, door._guests, door._unknown))
    server.shutdown()
    server.server_close()
    assert not [text for text in (capfd.readouterr().err,) if "register-jupyter" in text]


def wait_until_empty(house: House) -> None:
    deadline = time.monotonic() + 10
    while house.guests and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not house.guests, "somebody is still there"


def test_nobody_but_the_proxy_is_let_in(house: House) -> None:
    house.context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    house.context.check_hostname = False
    house.context.verify_mode = ssl.CERT_NONE
    with pytest.raises((ssl.SSLError, OSError, http.client.HTTPException)):
        house.ask("GET", f"/?token={TOKEN}")
    assert house.asked == []


def test_without_the_token_nothing_reaches_the_program(house: House) -> None:
    wrong = "f" * 32
    for path, headers in (
        ("/", {}),
        (f"/?token={wrong}", {}),
        (f"/?token={TOKEN}&token={wrong}", {}),
        ("/", {"Authorization": f"token {wrong}"}),
        ("/", {"Cookie": f"{COOKIE}={wrong}"}),
        ("/", {"Cookie": f"{COOKIE}={TOKEN}"}),
        ("/", {"Upgrade": "websocket", "Connection": "Upgrade"}),
    ):
        status, fields, page = house.ask("GET", path, headers)
        assert (status, fields["Connection"]) == (403, "close")
        assert b"start-jupyter open" in page
    assert house.asked == []


NAVIGATION = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}


@pytest.mark.parametrize("path", ["/", "/a//b?x=1&y=%2F", f"/?token={'f' * 32}", "/login?next=/"])
def test_a_person_without_the_token_is_sent_to_the_page_that_asks_for_it(house: House, path: str) -> None:
    status, fields, page = house.ask("GET", path, NAVIGATION)
    assert (status, page) == (303, b"")
    assert urlsplit(fields["Location"]).path == "/.lightship/enter"
    assert parse_qs(urlsplit(fields["Location"]).query) == {"next": [path]}
    assert "Set-Cookie" not in fields
    for way in ({**NAVIGATION, "Sec-Fetch-Dest": "iframe"}, {"Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"}, {}):
        assert house.ask("GET", path, way)[0] == 403
    assert house.ask("POST", path, NAVIGATION)[0] == 403
    assert house.asked == []


def test_the_address_with_the_token_opens_the_door_for_the_browser(house: House) -> None:
    status, fields, _ = house.ask("GET", f"/a//b?x=1&token={TOKEN}&y=2")
    assert (status, fields["Location"]) == (303, "/a//b?x=1&y=2")
    for word in ("Secure", "HttpOnly", "SameSite=Lax", "Path=/", "__Host-"):
        assert word in fields["Set-Cookie"]
    assert TOKEN not in fields["Set-Cookie"]
    cookie = fields["Set-Cookie"].partition(";")[0]
    assert house.asked == [], "the program sees no token"
    # The web server and the registry remember the token in a cookie of their own.
    cookies = f"own=1; {cookie}; __Host-lightship={TOKEN}"
    referer = f"{ORIGIN}/.lightship/?token={TOKEN}"
    sent = {"Cookie": cookies, "X-Forwarded-Proto": "https", "Referer": referer}
    status, fields, text = house.ask("GET", "/a", sent)
    assert (status, text, "Connection" in fields) == (200, b"hello from the program", False)
    ((method, path, headers, _),) = house.asked
    assert (method, path, headers["cookie"], headers["connection"]) == ("GET", "/a", "own=1", "close")
    assert headers["x-forwarded-proto"] == "https"
    assert TOKEN not in str(headers)


@pytest.mark.parametrize("start", ["//", "/\\", "/\\/", "///"])
def test_an_address_that_would_lead_elsewhere_stays_here(house: House, start: str) -> None:
    assert house.ask("GET", f"{start}evil.example/?token={TOKEN}")[1]["Location"] == "/evil.example/"


def test_the_answer_of_a_program_that_has_heard_enough_is_brought_back(house: House) -> None:
    status, _, text = house.ask("POST", "/too-large", {"Cookie": house.cookie()}, b"x" * 20_000_000)
    assert (status, text) == (413, b"too large")


@pytest.mark.parametrize("path", OLDER)
def test_an_answer_in_an_older_form_is_brought_back_in_todays(house: House, path: str) -> None:
    status, fields, text = house.ask("GET", path, {"Cookie": house.cookie()})
    assert (status, fields["X-Long"], text) == (200, "a b", b"odd")


def test_why_an_answer_was_not_brought_back_is_said_once(house: House, capfd: pytest.CaptureFixture[str]) -> None:
    say_once.cache_clear()
    cookie = house.cookie()
    assert [house.ask("GET", "/no-http", {"Cookie": cookie})[0] for _ in range(3)] == [502] * 3
    said = capfd.readouterr().out
    expected = (
        "An answer of the program is no HTTP/1.1 (its first line is '200 fine'), so the browser was shown a 502.\n"
    )
    assert said == expected


def test_a_token_of_the_programs_own_is_left_to_it(house: House) -> None:
    assert house.ask("GET", "/reset?token=abc&user=1", {"Cookie": house.cookie()})[0] == 200
    assert house.asked[-1][1] == "/reset?token=abc&user=1"


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_what_a_program_sends_before_its_answer_stays_inside(house: House, method: str) -> None:
    headers = {"Cookie": house.cookie()}
    status, fields, text = house.ask(method, "/early", headers, b"" if method == "POST" else None)
    assert (status, "Connection" in fields, text) == (200, False, b"hello from the program")
    status, *_, page = house.ask(method, "/unasked", headers, b"" if method == "POST" else None)
    assert (status, b"does not answer" in page) == (502, True)


def test_a_program_that_refuses_a_websocket_keeps_nobody(house: House) -> None:
    headers = {"Upgrade": "websocket", "Connection": "Upgrade", "Origin": ORIGIN, "Cookie": house.cookie()}
    for _ in range(3):
        status, fields, _ = house.ask("GET", "/no-websocket", headers)
        assert (status, fields["Connection"]) == (200, "close")


def test_whoever_is_turned_away_is_told_so_in_the_middle_of_an_upload_too(house: House) -> None:
    for _ in range(3):
        status, _, page = house.ask("POST", "/", {}, b"x" * 5_000_000)
        assert (status, b"start-jupyter open" in page) == (403, True)
    assert house.asked == []


def test_what_guests_leave_is_enough_for_the_job(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (64, 64))
    assert doorkeeper.most_guests() == 16
    monkeypatch.setattr(resource, "getrlimit", lambda _: (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert doorkeeper.most_guests() == doorkeeper.MOST_GUESTS


@pytest.mark.parametrize("stranger", ["says-nothing", "is-refused"])
def test_strangers_make_room_for_whoever_has_the_token(
    house: House, stranger: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Nobody leaves by the clock within the time that the owner waits.
    monkeypatch.setattr(doorkeeper, "HANDSHAKE_SECONDS", 60)
    idle: list[socket.socket] = []
    for _ in range(2 * GUESTS):
        if stranger == "says-nothing":
            idle.append(socket.create_connection(("127.0.0.1", house.port), 10))
        else:
            idle.append(house.knock())
            idle[-1].sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert house.ask("GET", "/", {"Cookie": house.cookie()})[0] == 200
    for each in idle:
        each.close()


def test_a_browser_that_is_lost_in_the_middle_of_an_upload_leaves_nothing(house: House) -> None:
    head = f"POST / HTTP/1.1\r\nHost: x\r\nCookie: {house.cookie()}\r\nContent-Length: 9000000\r\n\r\n"
    with house.knock() as secure:
        secure.sendall(head.encode() + b"x" * 100_000)
        time.sleep(0.2)
        secure.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    # The house is empty in the end: see there.


def test_programs_may_use_a_header(house: House) -> None:
    status, *_ = house.ask("POST", "/api", {"Authorization": f"token {TOKEN}"}, b"{}")
    assert status == 200
    ((method, _, headers, body),) = house.asked
    assert (method, body, "authorization" in headers) == ("POST", b"{}", False)


def test_a_page_at_a_neighbours_address_cannot_use_the_cookie(house: House) -> None:
    cookie = house.cookie()
    neighbour = "https://three-two-one.notebooks.test"
    assert house.ask("POST", "/", {"Cookie": cookie, "Origin": neighbour}, b"x")[0] == 403
    upgrade = {"Upgrade": "websocket", "Connection": "Upgrade", "Origin": neighbour, "Cookie": cookie}
    assert house.ask("GET", "/", upgrade)[0] == 403
    assert house.asked == []
    assert house.ask("GET", "/", {"Cookie": cookie, "Sec-Fetch-Site": "same-site"})[0] == 403
    assert house.asked == []
    assert house.ask("POST", "/", {"Cookie": cookie, "Origin": ORIGIN}, b"x")[0] == 200
    followed = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    assert house.ask("GET", "/", {"Cookie": cookie, **followed})[0] == 200


def test_a_websocket_passes_both_ways(house: House) -> None:
    lines = ["GET /ws HTTP/1.1", "Host: x", "Upgrade: websocket", "Connection: Upgrade", f"Cookie: {house.cookie()}"]
    with house.knock() as secure:
        secure.sendall(("\r\n".join([*lines, f"Origin: {ORIGIN}"]) + "\r\n\r\n").encode())
        assert secure.recv(4096).startswith(b"HTTP/1.1 101 ")
        for _ in range(3):
            secure.sendall(b"ping")
            assert secure.recv(100) == b"PING"


def test_a_second_request_on_the_same_connection_is_judged_by_itself(house: House) -> None:
    cookie = house.cookie()
    first = f"POST /first HTTP/1.1\r\nHost: x\r\nCookie: {cookie}\r\nContent-Length: 2\r\n\r\nab"
    third = f"GET /third HTTP/1.1\r\nHost: x\r\nCookie: {cookie}\r\n\r\n"
    answer = b""
    with house.knock() as secure:
        secure.sendall(first.encode() + b"GET /second HTTP/1.1\r\nHost: x\r\n\r\n" + third.encode())
        while piece := secure.recv(4096):
            answer += piece
    assert answer.count(b"HTTP/1.1 ") == 2
    assert b"HTTP/1.1 403 " in answer
    assert [path for _, path, *_ in house.asked] == ["/first"], "whoever is turned away brings nothing more"


KEPT = {
    "/length": b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nodd and more",
    "/chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 9\r\n\r\n3;x=y\r\nodd\r\n0\r\n\r\n+",
    "/unix-chunks": b"HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n3\nodd\n0\n\n",
    "/nothing": b"HTTP/1.1 304 Not Modified\r\nContent-Length: 3\r\n\r\n",
}
CLOSED = {
    "/no-length": b"HTTP/1.1 200 OK\r\n\r\nodd",
    "/other-coding": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "/cut": b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nodd",
    "/cut-chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nodd",
}
ODD.update({**KEPT, **CLOSED})


@pytest.mark.parametrize("path", KEPT)
def test_a_connection_is_kept_after_an_answer_whose_end_is_known(house: House, path: str) -> None:
    cookie = house.cookie()
    connection = http.client.HTTPSConnection("localhost", timeout=10)
    connection.sock = house.knock()
    port = connection.sock.getsockname()[1]
    for _ in range(3):
        connection.request("GET", path, headers={"Cookie": cookie})
        answer = connection.getresponse()
        assert answer.read() == (b"" if path == "/nothing" else b"odd"), "nothing that follows it"
        assert connection.sock.getsockname()[1] == port
    connection.close()


def test_an_answers_body_does_not_wait_until_its_head_has_arrived(house: House) -> None:
    with house.knock():
        # Before it there may still be whoever looked whether the door is there.
        *_, inside = list(house.unknown)
        assert inside.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


@pytest.mark.parametrize("path", CLOSED)
def test_a_connection_is_closed_after_an_answer_whose_end_is_not(house: House, path: str) -> None:
    with house.knock() as secure:
        secure.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nCookie: {house.cookie()}\r\n\r\n".encode())
        while secure.recv(4096):
            pass


def test_lengths_that_differ_are_no_answer(house: House) -> None:
    ODD["/lengths"] = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nodd!"
    assert house.ask("GET", "/lengths", {"Cookie": house.cookie()})[0] == 502


@pytest.mark.parametrize("speaks", ["body", "websocket"])
def test_a_program_that_reads_no_longer_keeps_no_browser_that_left(
    house: House, monkeypatch: pytest.MonkeyPatch, speaks: str
) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    connect = asyncio.open_connection

    async def deaf(*_: Any) -> Any:
        return await connect("127.0.0.1", listener.getsockname()[1])

    monkeypatch.setattr(asyncio, "open_connection", deaf)
    cookie = house.cookie()
    how = "Content-Length: 90000000" if speaks == "body" else f"Upgrade: websocket\r\nOrigin: {ORIGIN}"
    with house.knock() as secure:
        secure.sendall(f"POST / HTTP/1.1\r\nHost: x\r\nCookie: {cookie}\r\n{how}\r\n\r\n".encode())
        program, _ = listener.accept()
        if speaks == "websocket":
            program.recv(4096)
            program.sendall(b"HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\n\r\n")
            secure.recv(4096)
        secure.settimeout(0.2)
        # Until nobody takes it any more.
        with suppress(OSError):
            while True:
                secure.sendall(b"x" * 65536)
        assert house.guests, "the door waits for the program"
        # Not behind what is still to be sent, which would be known only when the kernel has given up.
        secure.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    # The house is empty in the end, though the program still lives: see there.
    wait_until_empty(house)
    program.close()
    listener.close()


@pytest.mark.parametrize(
    "line",
    [
        "Content-Length: 2\r\nTransfer-Encoding: chunked",
        "Content-Length: 2\r\nTransfer-Encoding:",
        "Content_Length: 2",
        "Bad header",
        "Host: x\r\n folded",
        f"Origin: {ORIGIN}\r\nUpgrade: websocket\r\nContent-Length: 2",
    ],
)
def test_what_is_in_doubt_is_refused(house: House, line: str) -> None:
    with house.knock() as secure:
        secure.sendall(f"POST / HTTP/1.1\r\nCookie: {house.cookie()}\r\n{line}\r\n\r\n".encode())
        assert secure.recv(4096).startswith(b"HTTP/1.1 400 ")
    assert house.asked == [], "the program never hears of it"


def test_a_program_that_does_not_answer_is_named(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(*_: Any) -> Any:
        raise ConnectionRefusedError

    monkeypatch.setattr(asyncio, "open_connection", away)
    status, _, page = house.ask("GET", "/", {"Cookie": house.cookie()})
    assert (status, b"does not answer" in page) == (502, True)
