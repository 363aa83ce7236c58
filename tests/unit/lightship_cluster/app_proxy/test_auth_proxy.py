"""Which requests the auth proxy lets through to a program that checks no token: see guarded_program.py."""

from __future__ import annotations

import http.client
import resource
import socket
import ssl
import struct
import time
from urllib.parse import parse_qs, urlsplit

import pytest

from lightship_cluster.app_proxy import auth_proxy
from lightship_cluster.app_proxy.auth_proxy import COOKIE
from unit.lightship_cluster.guarded_program import CONNECTIONS, ORIGIN, TOKEN, Guarded


def test_nobody_but_the_proxy_is_let_in(guarded: Guarded) -> None:
    guarded.context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    guarded.context.check_hostname = False
    guarded.context.verify_mode = ssl.CERT_NONE
    with pytest.raises((ssl.SSLError, OSError, http.client.HTTPException)):
        guarded.ask("GET", f"/?token={TOKEN}")
    assert guarded.asked == []


def test_the_proxy_may_show_a_certificate_of_either_authority(guarded: Guarded) -> None:
    cookie = guarded.cookie()
    assert guarded.next_client
    guarded.context.load_cert_chain(*guarded.next_client)
    assert guarded.ask("GET", "/api", {"Cookie": cookie})[0] == 200


def test_without_the_token_nothing_reaches_the_program(guarded: Guarded) -> None:
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
        status, fields, page = guarded.ask("GET", path, headers)
        assert (status, fields["Connection"]) == (403, "close")
        assert b"start-jupyter open" in page
    assert guarded.asked == []


def test_every_page_of_the_auth_proxys_own_leads_to_the_centre(guarded: Guarded) -> None:
    signed_in = {"Cookie": guarded.cookie()}
    refused, foreign = guarded.ask("GET", "/"), guarded.ask("GET", "/", {**signed_in, "Sec-Fetch-Site": "same-site"})
    away = guarded.ask("GET", "/no-http", signed_in)
    with guarded.connect() as secure:
        secure.sendall(b"nonsense\r\n\r\n")
        head, _, bad = secure.makefile("rb").read().partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert [refused[0], foreign[0], away[0]] == [403, 403, 502]
    for page in (refused[2], foreign[2], away[2], bad):
        assert b'<a href="https://example.org/guide">Guide</a>' in page
        assert b'<a href="mailto:help@example.org">Contact Example Centre</a>' in page


NAVIGATION = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}


@pytest.mark.parametrize("path", ["/", "/a//b?x=1&y=%2F", f"/?token={'f' * 32}", "/login?next=/"])
def test_a_person_without_the_token_is_sent_to_the_page_that_asks_for_it(guarded: Guarded, path: str) -> None:
    status, fields, page = guarded.ask("GET", path, NAVIGATION)
    assert (status, page) == (303, b"")
    assert urlsplit(fields["Location"]).path == "/.lightship/enter"
    assert parse_qs(urlsplit(fields["Location"]).query) == {"next": [path]}
    assert "Set-Cookie" not in fields
    for way in ({**NAVIGATION, "Sec-Fetch-Dest": "iframe"}, {"Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"}, {}):
        assert guarded.ask("GET", path, way)[0] == 403
    assert guarded.ask("POST", path, NAVIGATION)[0] == 403
    assert guarded.asked == []


def test_the_address_with_the_token_lets_in_the_browser(guarded: Guarded) -> None:
    status, fields, _ = guarded.ask("GET", f"/a//b?x=1&token={TOKEN}&y=2")
    assert (status, fields["Location"]) == (303, "/a//b?x=1&y=2")
    for word in ("Secure", "HttpOnly", "SameSite=Lax", "Path=/", "__Host-"):
        assert word in fields["Set-Cookie"]
    assert TOKEN not in fields["Set-Cookie"]
    cookie = fields["Set-Cookie"].partition(";")[0]
    assert guarded.asked == [], "the program sees no token"
    # The web server and the registry remember the token in a cookie of their own.
    cookies = f"own=1; {cookie}; __Host-lightship={TOKEN}"
    referer = f"{ORIGIN}/.lightship/?token={TOKEN}"
    sent = {"Cookie": cookies, "X-Forwarded-Proto": "https", "Referer": referer}
    status, fields, text = guarded.ask("GET", "/a", sent)
    assert (status, text, "Connection" in fields) == (200, b"hello from the program", False)
    ((method, path, headers, _),) = guarded.asked
    assert (method, path, headers["cookie"], headers["connection"]) == ("GET", "/a", "own=1", "close")
    assert headers["x-forwarded-proto"] == "https"
    assert TOKEN not in str(headers)


@pytest.mark.parametrize("start", ["//", "/\\", "/\\/", "///"])
def test_an_address_that_would_lead_elsewhere_stays_here(guarded: Guarded, start: str) -> None:
    assert guarded.ask("GET", f"{start}evil.example/?token={TOKEN}")[1]["Location"] == "/evil.example/"


def test_a_token_of_the_programs_own_is_left_to_it(guarded: Guarded) -> None:
    assert guarded.ask("GET", "/reset?token=abc&user=1", {"Cookie": guarded.cookie()})[0] == 200
    assert guarded.asked[-1][1] == "/reset?token=abc&user=1"


def test_whoever_is_turned_away_is_told_so_in_the_middle_of_an_upload_too(guarded: Guarded) -> None:
    for _ in range(3):
        status, _, page = guarded.ask("POST", "/", {}, b"x" * 5_000_000)
        assert (status, b"start-jupyter open" in page) == (403, True)
    assert guarded.asked == []


def test_what_connections_leave_is_enough_for_the_job(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (64, 64))
    assert auth_proxy.most_connections() == 16
    monkeypatch.setattr(resource, "getrlimit", lambda _: (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert auth_proxy.most_connections() == auth_proxy.MOST_CONNECTIONS


@pytest.mark.parametrize("stranger", ["says-nothing", "is-refused"])
def test_strangers_make_room_for_whoever_has_the_token(
    guarded: Guarded, stranger: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Nobody leaves by the clock within the time that the owner waits.
    monkeypatch.setattr(auth_proxy, "HANDSHAKE_SECONDS", 60)
    idle: list[socket.socket] = []
    for _ in range(2 * CONNECTIONS):
        if stranger == "says-nothing":
            idle.append(socket.create_connection(("127.0.0.1", guarded.port), 10))
        else:
            idle.append(guarded.connect())
            idle[-1].sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert guarded.ask("GET", "/", {"Cookie": guarded.cookie()})[0] == 200
    for each in idle:
        each.close()


def test_a_browser_that_is_lost_in_the_middle_of_an_upload_leaves_nothing(guarded: Guarded) -> None:
    head = f"POST / HTTP/1.1\r\nHost: x\r\nCookie: {guarded.cookie()}\r\nContent-Length: 9000000\r\n\r\n"
    with guarded.connect() as secure:
        secure.sendall(head.encode() + b"x" * 100_000)
        time.sleep(0.2)
        secure.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    # The fixture checks that no connection is left.


def test_programs_may_use_a_header(guarded: Guarded) -> None:
    status, *_ = guarded.ask("POST", "/api", {"Authorization": f"token {TOKEN}"}, b"{}")
    assert status == 200
    ((method, _, headers, body),) = guarded.asked
    assert (method, body, "authorization" in headers) == ("POST", b"{}", False)


def test_a_page_at_a_neighbours_address_cannot_use_the_cookie(guarded: Guarded) -> None:
    cookie = guarded.cookie()
    neighbour = "https://three-two-one.notebooks.test"
    assert guarded.ask("POST", "/", {"Cookie": cookie, "Origin": neighbour}, b"x")[0] == 403
    upgrade = {"Upgrade": "websocket", "Connection": "Upgrade", "Origin": neighbour, "Cookie": cookie}
    assert guarded.ask("GET", "/", upgrade)[0] == 403
    assert guarded.asked == []
    assert guarded.ask("GET", "/", {"Cookie": cookie, "Sec-Fetch-Site": "same-site"})[0] == 403
    assert guarded.asked == []
    assert guarded.ask("POST", "/", {"Cookie": cookie, "Origin": ORIGIN}, b"x")[0] == 200
    followed = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    assert guarded.ask("GET", "/", {"Cookie": cookie, **followed})[0] == 200


def test_a_second_request_on_the_same_connection_is_judged_by_itself(guarded: Guarded) -> None:
    cookie = guarded.cookie()
    first = f"POST /first HTTP/1.1\r\nHost: x\r\nCookie: {cookie}\r\nContent-Length: 2\r\n\r\nab"
    third = f"GET /third HTTP/1.1\r\nHost: x\r\nCookie: {cookie}\r\n\r\n"
    answer = b""
    with guarded.connect() as secure:
        secure.sendall(first.encode() + b"GET /second HTTP/1.1\r\nHost: x\r\n\r\n" + third.encode())
        while piece := secure.recv(4096):
            answer += piece
    assert answer.count(b"HTTP/1.1 ") == 2
    assert b"HTTP/1.1 403 " in answer
    assert [path for _, path, *_ in guarded.asked] == ["/first"], "whoever is turned away brings nothing more"


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
def test_what_is_in_doubt_is_refused(guarded: Guarded, line: str) -> None:
    with guarded.connect() as secure:
        secure.sendall(f"POST / HTTP/1.1\r\nCookie: {guarded.cookie()}\r\n{line}\r\n\r\n".encode())
        assert secure.recv(4096).startswith(b"HTTP/1.1 400 ")
    assert guarded.asked == [], "the program never hears of it"
