"""A thousand clients that send and read as slowly as they can: others, at other addresses, notice nothing."""

from __future__ import annotations

import contextlib
import itertools
import socket
import ssl
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from testinfra.host import Host

from support.fake_notebook import Browser, Start
from support.proxy_host import DOMAIN, SERVER, TESTINFRA_HOSTS
from support.server_health import unharmed
from support.users import at_work

testinfra_hosts = TESTINFRA_HOSTS

NAME, NEIGHBOUR = "quiet-river-stone", "other-link-here"
LINK = f"{NAME}.{DOMAIN}"
SLOW = 1000
# How long all of them are open together, and how often each of them says a little, in seconds.
ROUNDS, PAUSE = 8, 1.0
# KiB: what a thousand connections at once take.
MOST_GROWTH = {"nginx": 64 << 10, "apache": 256 << 10}[SERVER.name]
# More than the buffers of the way hold.
FILE = 8 << 20
# A head without an end, a body without an end, an answer that is not read, and what is said to keep it up.
HEAD = f"GET /x HTTP/1.1\r\nHost: {LINK}\r\nX-0: x"
BODY = f"POST /x HTTP/1.1\r\nHost: {LINK}\r\nContent-Length: 9999999\r\n\r\nx"
READ = f"GET /file HTTP/1.1\r\nHost: {LINK}\r\n\r\n"
KINDS = ((BODY, b"x"), (READ, b""), *(8 * [(HEAD, b"\r\nX: x")]))


def file(connection: socket.socket, request: bytes) -> None:
    """Answer with a file, or wait for the rest of the request."""
    if b"/file" in request:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % FILE + bytes(FILE))


def slow_client(browser: Browser, number: int) -> ssl.SSLSocket | None:
    """Return a connection with the beginning of a slow request, or none if the server does not take it."""
    try:
        connection = browser.connect(LINK)
    except OSError:
        return None
    connection.settimeout(0.05)
    with contextlib.suppress(OSError):
        connection.sendall(KINDS[number % len(KINDS)][0].encode())
    return connection


def test_others_do_not_notice_a_thousand_slow_clients(
    host: Host, start: Start, browser: Browser, allow_files: Callable[[int], None]
) -> None:
    # Each of them has a connection from the web server, too.
    allow_files(2 * SLOW + 200)
    start(NAME, handler=file)
    start(NEIGHBOUR)
    with unharmed(host, growth=MOST_GROWTH), at_work(host, [NEIGHBOUR]) as found, contextlib.ExitStack() as opened:
        with ThreadPoolExecutor(8) as pool:
            slow = list(pool.map(lambda number: slow_client(browser, number), range(SLOW)))
        for taken in filter(None, slow):
            opened.enter_context(taken)
        for _ in range(ROUNDS):
            time.sleep(PAUSE)
            for connection, (_, more) in zip(slow, itertools.cycle(KINDS)):
                if connection and more:
                    with contextlib.suppress(OSError):
                        connection.sendall(more)
    print(f"{len(list(filter(None, slow)))} slow clients")
    assert not found["failures"], found
    assert found["asked"] > ROUNDS
