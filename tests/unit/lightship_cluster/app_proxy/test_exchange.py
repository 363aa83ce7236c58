"""How a program's answer is returned, and its connection kept or closed: see guarded_program.py."""

from __future__ import annotations

import asyncio
import http.client
import socket
import struct
from contextlib import suppress
from typing import Any

import pytest

from lightship_cluster.core.job_log import say_once
from unit.lightship_cluster.guarded_program import CLOSED, KEPT, OLDER, ORIGIN, Guarded, wait_until_empty


def test_the_answer_of_a_program_that_has_heard_enough_is_brought_back(guarded: Guarded) -> None:
    status, _, text = guarded.ask("POST", "/too-large", {"Cookie": guarded.cookie()}, b"x" * 20_000_000)
    assert (status, text) == (413, b"too large")


@pytest.mark.parametrize("path", OLDER)
def test_an_answer_in_an_older_form_is_brought_back_in_todays(guarded: Guarded, path: str) -> None:
    status, fields, text = guarded.ask("GET", path, {"Cookie": guarded.cookie()})
    assert (status, fields["X-Long"], text) == (200, "a b", b"odd")


def test_why_an_answer_was_not_brought_back_is_said_once(guarded: Guarded, capfd: pytest.CaptureFixture[str]) -> None:
    say_once.cache_clear()
    cookie = guarded.cookie()
    assert [guarded.ask("GET", "/no-http", {"Cookie": cookie})[0] for _ in range(3)] == [502] * 3
    said = capfd.readouterr().out
    expected = (
        "An answer of the program is no HTTP/1.1 (its first line is '200 fine'), so the browser was shown a 502.\n"
    )
    assert said == expected


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_what_a_program_sends_before_its_answer_stays_inside(guarded: Guarded, method: str) -> None:
    headers = {"Cookie": guarded.cookie()}
    status, fields, text = guarded.ask(method, "/early", headers, b"" if method == "POST" else None)
    assert (status, "Connection" in fields, text) == (200, False, b"hello from the program")
    status, *_, page = guarded.ask(method, "/unasked", headers, b"" if method == "POST" else None)
    assert (status, b"does not answer" in page) == (502, True)


def test_a_program_that_refuses_a_websocket_keeps_nobody(guarded: Guarded) -> None:
    headers = {"Upgrade": "websocket", "Connection": "Upgrade", "Origin": ORIGIN, "Cookie": guarded.cookie()}
    for _ in range(3):
        status, fields, _ = guarded.ask("GET", "/no-websocket", headers)
        assert (status, fields["Connection"]) == (200, "close")


def test_a_websocket_passes_both_ways(guarded: Guarded) -> None:
    lines = ["GET /ws HTTP/1.1", "Host: x", "Upgrade: websocket", "Connection: Upgrade", f"Cookie: {guarded.cookie()}"]
    with guarded.connect() as secure:
        secure.sendall(("\r\n".join([*lines, f"Origin: {ORIGIN}"]) + "\r\n\r\n").encode())
        assert secure.recv(4096).startswith(b"HTTP/1.1 101 ")
        for _ in range(3):
            secure.sendall(b"ping")
            assert secure.recv(100) == b"PING"


@pytest.mark.parametrize("path", KEPT)
def test_a_connection_is_kept_after_an_answer_whose_end_is_known(guarded: Guarded, path: str) -> None:
    cookie = guarded.cookie()
    connection = http.client.HTTPSConnection("localhost", timeout=10)
    connection.sock = guarded.connect()
    port = connection.sock.getsockname()[1]
    for _ in range(3):
        connection.request("GET", path, headers={"Cookie": cookie})
        answer = connection.getresponse()
        assert answer.read() == (b"" if path == "/nothing" else b"odd"), "nothing that follows it"
        assert connection.sock.getsockname()[1] == port
    connection.close()


def test_an_answers_body_does_not_wait_until_its_head_has_arrived(guarded: Guarded) -> None:
    with guarded.connect():
        # Before it there may still be whoever looked whether the proxy is there.
        *_, inside = list(guarded.unknown)
        assert inside.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


@pytest.mark.parametrize("path", CLOSED)
def test_a_connection_is_closed_after_an_answer_whose_end_is_not(guarded: Guarded, path: str) -> None:
    with guarded.connect() as secure:
        secure.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nCookie: {guarded.cookie()}\r\n\r\n".encode())
        while secure.recv(4096):
            pass


def test_lengths_that_differ_are_no_answer(guarded: Guarded) -> None:
    assert guarded.ask("GET", "/lengths", {"Cookie": guarded.cookie()})[0] == 502


@pytest.mark.parametrize("speaks", ["body", "websocket"])
def test_a_program_that_reads_no_longer_keeps_no_browser_that_left(
    guarded: Guarded, monkeypatch: pytest.MonkeyPatch, speaks: str
) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    connect = asyncio.open_connection

    async def deaf(*_: Any) -> Any:
        return await connect("127.0.0.1", listener.getsockname()[1])

    monkeypatch.setattr(asyncio, "open_connection", deaf)
    cookie = guarded.cookie()
    how = "Content-Length: 90000000" if speaks == "body" else f"Upgrade: websocket\r\nOrigin: {ORIGIN}"
    with guarded.connect() as secure:
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
        assert guarded.connections, "the proxy waits for the program"
        # Not behind what is still to be sent, which would be known only when the kernel has given up.
        secure.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    # The fixture checks that no connection is left, though the program still runs.
    wait_until_empty(guarded)
    program.close()
    listener.close()


def test_a_program_that_does_not_answer_is_named(guarded: Guarded, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(*_: Any) -> Any:
        raise ConnectionRefusedError

    monkeypatch.setattr(asyncio, "open_connection", away)
    status, _, page = guarded.ask("GET", "/", {"Cookie": guarded.cookie()})
    assert (status, b"does not answer" in page) == (502, True)
