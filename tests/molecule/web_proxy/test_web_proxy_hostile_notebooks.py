"""A notebook may answer with any bytes: its clients get one clear answer each or an error, and others notice nothing.

Each case is one answer. The next request of the same client and those of other clients must get their own answers, not
the rest of that one, and a neighbour's requests are answered all the while.
"""

from __future__ import annotations

import contextlib
import gzip
import re
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from testinfra.host import Host

from support.answer_corpus import ANSWERS, CUT, GOOD, POISON, Hostile, Script, description, head, named, own
from support.bed import eventually
from support.fake_notebook import HERE, PORTS, Authority, Browser, Notebook, Route, Start
from support.proxy_host import DOMAIN, SERVER, TESTINFRA_HOSTS
from support.server_health import unharmed
from support.strict_answers import AmbiguousError, Answers, Reply
from support.strict_http import StrictNotebook
from support.users import at_work

testinfra_hosts = TESTINFRA_HOSTS

OK, SERVER_ERRORS = 200, {502, 504}
NAME, NEIGHBOUR, THIRD = "mallory-was-here", "other-link-here", "third-link-here"
LINK, OTHER = f"{NAME}.{DOMAIN}", f"{NEIGHBOUR}.{DOMAIN}"
PARALLEL = 8
# KiB that Apache's process may grow by in place of the unit's limit, which would take longer to reach.
MAY_GROW = 256 << 10
PAUSE = 0.1
# How long a client waits for an answer that may never end, in seconds, and how much of it the client reads.
PATIENCE, MOST = 0.5, 32 << 10


def request(host: str, path: str, method: str = "GET") -> bytes:
    return f"{method} /{path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()


def wrong_with(reply: Reply) -> list[str]:
    """Return what no answer may have, whatever the notebook sent."""
    wrong = []
    if any(re.search(rb"(?i);\s*domain\s*=", cookie) for cookie in reply.header(b"set-cookie")):
        wrong.append("a cookie for all links")
    if len(policies := reply.header(b"strict-transport-security")) != 1 or not policies[0].startswith(b"max-age="):
        wrong.append("no header of the web server's own")
    return [f"{what}, in {reply.headers}" for what in wrong]


def tried(browser: Browser, case: str, method: str, *, cut: bool) -> list[str]:
    """Ask for a case's answer, go on with the same connection and with others, and return what went wrong."""
    number, wrong = case[-4:], []
    with browser.connect(LINK) as connection:
        answers = Answers(connection, seconds=PATIENCE, most=MOST)
        connection.sendall(request(LINK, case, method))
        try:
            reply = answers.next(method)
            if reply:
                wrong += wrong_with(reply)
                if cut and reply.whole and reply.status == OK:
                    wrong.append(f"an answer that ended early seems whole: {reply}")
                surplus = answers.surplus() if reply.whole else b""
                if surplus:
                    wrong.append(f"more than one answer: {surplus[:200]!r}")
                if reply.whole:
                    with contextlib.suppress(OSError):
                        connection.sendall(request(LINK, f"own-{number}"))
                    wrong += not_own(Answers(connection, seconds=PATIENCE).next(), number)
        except AmbiguousError as error:
            wrong.append(str(error))
    for _ in range(3):
        with browser.connect(LINK) as connection:
            connection.sendall(request(LINK, f"own-{number}"))
            wrong += not_own(Answers(connection, seconds=20).next(), number)
    return wrong


def not_own(reply: Reply | None, number: str) -> list[str]:
    """Return what is wrong with the answer to the next request: an error is allowed, another answer is not."""
    if reply is None or reply.status in SERVER_ERRORS or (reply.status, reply.body) == (OK, f"own-{number}".encode()):
        return []
    return [f"the next request got {reply}"]


@contextlib.contextmanager
def served(browser: Browser) -> Iterator[None]:
    """Fail after the block if a neighbour's request was not answered meanwhile."""
    wrong: list[str] = []
    done = threading.Event()

    def watch() -> None:
        number = 0
        while not done.is_set():
            path = f"/neighbour-{number}"
            try:
                answer = browser.ask(OTHER, path)
                if (answer.status, answer.body) != (OK, f"{OTHER} GET {path} 0".encode()):
                    wrong.append(f"{path} got {answer}")
            except OSError as error:
                wrong.append(f"{path}: {error}")
            number += 1
            time.sleep(0.02)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
    assert not wrong, "\n".join(wrong[:10])


@pytest.fixture
def neighbour(start: Start) -> Notebook:
    return start(NEIGHBOUR, kind=StrictNotebook)


@pytest.mark.usefixtures("neighbour")
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_each_client_gets_one_clear_answer_of_its_own(host: Host, start: Start, browser: Browser, method: str) -> None:
    scripts = {f"evil-{number:04}": script for number, script in enumerate([*ANSWERS, *CUT])}
    start(NAME, handler=Hostile(scripts))

    def found(case: str) -> list[str]:
        cut = method == "GET" and int(case[-4:]) >= len(ANSWERS)
        name = f"{case}, {description(scripts[case])}"
        return [f"{name}: {what}" for what in tried(browser, case, method, cut=cut)]

    start(THIRD)
    with unharmed(host), served(browser), at_work(host, [THIRD]) as met, ThreadPoolExecutor(PARALLEL) as pool:
        wrong = [what for each in pool.map(found, scripts) for what in each]
    assert not wrong, "\n".join(wrong[:20])
    assert not met["failures"]


def later(text: bytes) -> Script:
    """Answer well, and send more that nobody asked for when the connection is idle."""

    def script(connection: socket.socket, number: bytes) -> None:
        connection.sendall(GOOD)
        time.sleep(PAUSE)
        connection.sendall(named(text, number))

    return script


@pytest.mark.usefixtures("neighbour")
def test_what_comes_when_nothing_was_asked_is_no_answer(host: Host, start: Start, browser: Browser) -> None:
    texts = (POISON, b"x", b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n", b"\r\n", POISON * 999)
    scripts = {f"late-{number:04}": later(text) for number, text in enumerate(texts)}
    start(NAME, handler=Hostile(scripts))
    with unharmed(host), served(browser):
        for case in scripts:
            for _ in range(3):
                assert browser.ask(LINK, f"/{case}").body == b"ok"
                # No proxy could tell what comes after it sent the next request from that request's answer.
                time.sleep(2 * PAUSE)
                answer = browser.ask(LINK, f"/own-{case[-4:]}")
                assert answer.body == f"own-{case[-4:]}".encode() or answer.status in SERVER_ERRORS, (case, answer)


def at_the_end_of_a_buffer(size: int) -> Script:
    """Send an answer of as many bytes as a buffer may have, and another one within the same record of TLS.

    A server that reads as much as its buffer takes leaves the rest to the library of TLS, where no poll sees it.
    """

    def script(connection: socket.socket, number: bytes) -> None:
        head = b"HTTP/1.1 200 OK\r\nContent-Length: %05d\r\n\r\n"
        head %= size - len(head % 0)
        text = head + bytes(size - len(head)) + named(POISON, number)
        first = len(text) % 16384 or 16384
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
        for start in (0, *range(first, len(text), 16384)):
            connection.sendall(text[start : first if start == 0 else start + 16384])
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 0)

    return script


@pytest.mark.usefixtures("neighbour")
def test_what_the_library_of_tls_holds_back_reaches_no_other_link(host: Host, start: Start, browser: Browser) -> None:
    scripts = {f"held-{size}": at_the_end_of_a_buffer(size) for size in (4096, 8192, 16384, 32768)}
    start(NAME, handler=Hostile(scripts))
    with unharmed(host), served(browser):
        for case in scripts:
            for _ in range(6):
                assert browser.ask(LINK, f"/{case}").status == OK
                # nginx takes what was held back for the next answer of this link, whose notebook may send anything.
                answer = browser.ask(LINK, f"/own-{case[-4:]}")
                assert answer.body in {f"own-{case[-4:]}".encode(), f"poison-{case[-4:]}".encode()}, (case, answer)
                # A browser's next request may be the same connection's.
                browser.ask(LINK, "/own-0000")


def head_without_end(connection: socket.socket, _number: bytes) -> None:
    """Answer with header lines until the web server has enough of them."""
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    with contextlib.suppress(OSError):
        while True:
            connection.sendall(b"X: y\r\n" * 999)


@pytest.mark.usefixtures("neighbour")
def test_a_head_without_end_takes_a_bounded_part_of_memory(host: Host, start: Start, browser: Browser) -> None:
    start(NAME, handler=Hostile({"head": head_without_end}))
    if SERVER.bounds_heads:
        with unharmed(host), served(browser):
            assert browser.ask(LINK, "/head").status in SERVER_ERRORS
        return
    allowed = int(host.check_output(f"systemctl show {SERVER.unit} --property=LimitDATA --value"))
    assert allowed < 1024 * status_kib(host, "/proc/meminfo", "MemTotal")
    (worker,) = SERVER.worker_ids(host)
    assert f" {allowed} " in host.check_output(f"grep '^Max data size' /proc/{worker}/limits")
    # Only its own account and a host's administrator may change a process's limit.
    account = host.check_output(f"stat -c %U /proc/{worker}")
    limit = 1024 * (status_kib(host, f"/proc/{worker}/status", "VmData") + MAY_GROW)
    host.check_output(f"runuser -u {account} -- prlimit --pid {worker} --data={limit}")
    with contextlib.suppress(OSError):
        assert browser.ask(LINK, "/head").status in SERVER_ERRORS

    def answers() -> bool:
        with contextlib.suppress(OSError):
            return browser.ask(OTHER, "/after").status == OK
        return False

    eventually(answers, f"{SERVER.name} does not answer again", 15)
    assert SERVER.worker_ids(host).isdisjoint({worker}), "the process that took the memory goes on"
    assert host.check_output(f"systemctl is-active {SERVER.unit}") == "active"


def status_kib(host: Host, file: str, name: str) -> int:
    """Return a number of KiB in a file of /proc."""
    return int(host.check_output(f"sed -n 's/^{name}:[^0-9]*\\([0-9]*\\).*/\\1/p' {file}"))


class Eager(Notebook):
    """A notebook that answers before it is asked."""

    def _secure(self, connection: socket.socket) -> socket.socket:
        secure = super()._secure(connection)
        secure.sendall(POISON)
        return secure


@pytest.mark.usefixtures("neighbour")
def test_an_answer_before_the_request_is_at_most_that_requests_answer(
    host: Host, start: Start, browser: Browser
) -> None:
    start(NAME, handler=Hostile({}), kind=Eager)
    with unharmed(host), served(browser):
        for number in range(20):
            answer = browser.ask(LINK, f"/own-{number:04}")
            assert answer.body in {b"poison-CASE", f"own-{number:04}".encode()} or answer.status in SERVER_ERRORS, (
                answer
            )
            # The second answer comes, and belongs to nobody.
            time.sleep(0.05)


@pytest.mark.usefixtures("neighbour")
def test_a_compressed_answer_is_passed_on_as_it_is(host: Host, start: Start, browser: Browser) -> None:
    bomb = gzip.compress(gzip.compress(bytes(200 << 20), 1, mtime=0), 9, mtime=0)
    packed = head(b"Content-Encoding: gzip", b"Content-Type: text/html", b"Content-Length: %d" % len(bomb)) + bomb
    start(NAME, handler=Hostile({"bomb": packed}))
    with unharmed(host), served(browser):
        for accepted in ({}, {"Accept-Encoding": "gzip"}, {"Accept-Encoding": "identity"}):
            answer = browser.ask(LINK, "/bomb", accepted)
            assert (answer.status, answer.header("Content-Encoding"), answer.body) == (OK, ["gzip"], bomb)


def frames(connection: socket.socket, request: bytes) -> None:
    """Switch to WebSocket, send what is no frame, and the beginning of the longest one; or answer well."""
    if b"Upgrade: websocket" not in request:
        connection.sendall(own(request.split()[1].decode().strip("/")))
        return
    connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
    connection.sendall(POISON + b"\xff" * 99_999 + b"\x82\x7f" + b"\x7f" + b"\xff" * 7 + bytes(99_999))


@pytest.mark.usefixtures("neighbour")
def test_what_is_no_frame_stays_within_its_websocket(host: Host, start: Start, browser: Browser) -> None:
    start(NAME, handler=frames)
    lines = ("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13", f"Origin: https://{LINK}")
    text = request(LINK, "socket").removesuffix(b"\r\n") + ("\r\n".join(lines) + "\r\n\r\n").encode()
    with unharmed(host), served(browser), contextlib.ExitStack() as opened:
        for number in range(20):
            connection = opened.enter_context(browser.connect(LINK))
            connection.sendall(text)
            assert connection.recv(65536).startswith(b"HTTP/1.1 101 ")
            answer = browser.ask(LINK, f"/own-{number:04}")
            assert (answer.status, answer.body) == (OK, f"own-{number:04}".encode())


@pytest.mark.usefixtures("neighbour")
def test_a_notebook_that_begins_the_handshake_anew_harms_nobody(
    host: Host, browser: Browser, links: Authority, client_authority: Path, tmp_path: Path, route: Route
) -> None:
    port, certificate = next(PORTS), links.issue(tmp_path, LINK)
    settings = ["-accept", f"{HERE}:{port}", "-cert", str(certificate), "-tls1_2", "-CAfile", str(client_authority)]
    route(NAME, f"https://{HERE}:{port}\\n")
    server = subprocess.Popen(
        ["openssl", "s_server", "-Verify", "3", *settings],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    assert server.stdin
    with unharmed(host), served(browser), contextlib.suppress(BrokenPipeError), server:
        try:
            for _ in range(3):
                with browser.connect(LINK) as connection:
                    connection.sendall(request(LINK, "x"))
                    for line in (b"r\n", b"R\n", b"HTTP/1.1 200 OK\r\n\r\npoison\n", b"r\n", b"Q\n"):
                        time.sleep(0.1)
                        server.stdin.write(line)
                        server.stdin.flush()
        finally:
            server.kill()
