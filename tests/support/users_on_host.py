"""Users of links: open WebSockets, one request after the other, and links that come and go at a fixed rate.

For the proxy host, where every user can have an address of their own, in 127.0.0.0/8. Plain Python; the settings are a
line of JSON on standard input. It prints a line of JSON when all WebSockets are open, and one more when the file `done`
is there.
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import itertools
import json
import pathlib
import socket
import ssl
import sys
import threading
import time

SOCKETS_OF_A_USER, TALKERS = 15, 3
# Seconds after which something is said over each WebSocket again.
PAUSE = 4.0
# For how many seconds a link stays, or for longer while somebody asks it.
LIFE = 1.0
PATIENCE = 20.0
WORDS = [a + b + a for a in "bcdfghklmnprstvwz" for b in "aeiou"]


@dataclasses.dataclass(frozen=True)
class Settings:
    """What the test tells.

    Attributes:
        address: the web server's.
        domain: the links are names under it.
        authority: PEM text of the authority that the users trust.
        done: a file; when it is there, all this ends.
        links: names of the links that stay.
        clients: how many requests there are at a time, each on a connection of its own.
        pause: seconds between two requests of a client.
        sockets: how many WebSockets there shall be.
        rate: how many links come, and how many go, each second.
        routes: folder of the route files.
        route: the text of each route file.
    """

    address: str
    domain: str
    authority: str
    done: str
    links: list[str]
    clients: int
    pause: float
    sockets: int
    rate: int
    routes: str
    route: str


class Users:
    """All users, and what they met."""

    def __init__(self, told: Settings) -> None:
        """Read the authority."""
        self.told = told
        self.trust = ssl.create_default_context(cadata=told.authority)
        self.routes = pathlib.Path(told.routes)
        self.came = self.went = 0
        self.times: list[float] = []
        self.failures: list[str] = []
        self.cut: set[int] = set()
        # Links that have just come and that nobody asked yet; those that somebody asks.
        self.fresh: collections.deque[str] = collections.deque(maxlen=20)
        self.busy: set[str] = set()
        self.changing = threading.Lock()

    def over(self) -> bool:
        """Say whether it is time to end."""
        return pathlib.Path(self.told.done).exists()

    def connect(self, link: str, user: int) -> ssl.SSLSocket:
        """Return a user's new connection to a link."""
        where, source = (self.told.address, 443), (f"127.0.1.{user + 1}", 0)
        plain = socket.create_connection(where, timeout=PATIENCE, source_address=source)
        try:
            return self.trust.wrap_socket(plain, server_hostname=f"{link}.{self.told.domain}")
        except OSError:
            plain.close()
            raise

    def websocket(self, number: int) -> ssl.SSLSocket:
        """Return an open WebSocket to one of the links."""
        link = self.told.links[number % len(self.told.links)]
        host = f"{link}.{self.told.domain}"
        connection = self.connect(link, number // SOCKETS_OF_A_USER)
        lines = ["GET /ws HTTP/1.1", f"Host: {host}", f"Origin: https://{host}", "Upgrade: websocket"]
        lines += ["Connection: Upgrade", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: eA==", "", ""]
        connection.sendall("\r\n".join(lines).encode())
        answer = connection.recv(4096)
        if not answer.startswith(b"HTTP/1.1 101 "):
            raise OSError(f"no WebSocket: {answer[:100]!r}")
        return connection

    def go_on_talking(self, sockets: list[ssl.SSLSocket], talker: int) -> None:
        """Say something over each WebSocket of this talker again and again, the last time at the end."""
        last = False
        while not last:
            last, began = self.over(), time.monotonic()
            for number in range(talker, len(sockets), TALKERS):
                if number not in self.cut and not repeated(sockets[number], f"<{number}>".encode()):
                    self.cut.add(number)
            while not self.over() and time.monotonic() < began + PAUSE:
                time.sleep(0.1)

    def ask(self, link: str, user: int) -> None:
        """Send one request on a connection of its own, and note what is wrong with the answer."""
        began, seen = time.monotonic(), b""
        try:
            with self.connect(link, user) as connection:
                request = f"GET / HTTP/1.1\r\nHost: {link}.{self.told.domain}\r\nConnection: close\r\n\r\n"
                connection.sendall(request.encode())
                while data := connection.recv(65536):
                    seen += data
            wrong = "" if seen.startswith(b"HTTP/1.1 200 ") and seen.endswith(b"notebook") else "not the notebook's"
        except OSError as error:
            wrong = repr(error)
        if wrong:
            self.failures.append(f"{time.strftime('%T')} {link}: {wrong}, answer {seen[:100]!r}")
        self.times.append(time.monotonic() - began)

    def go_on_asking(self, user: int) -> None:
        """Ask links that stay and, every other time, one that has just come."""
        for stays in itertools.cycle(self.told.links):
            if self.over():
                return
            self.ask(stays, user)
            with self.changing:
                link = self.fresh.pop() if self.fresh else ""
                self.busy.add(link)
            if link:
                self.ask(link, user)
            with self.changing:
                self.busy.discard(link)
            time.sleep(self.told.pause)

    def let_links_come_and_go(self) -> None:
        """Write and remove route files as the registry does."""
        alive: dict[str, float] = {}
        next_ = time.monotonic()
        for words in itertools.product(WORDS, repeat=3):
            if self.over():
                return
            name = "-".join(words)
            draft = self.routes / f".{name}"
            draft.write_text(self.told.route, encoding="ascii")
            draft.rename(self.routes / name)
            with self.changing:
                alive[name] = time.monotonic()
                self.came += 1
                self.fresh.append(name)
                old = [link for link, since in alive.items() if since < time.monotonic() - LIFE]
                for link in {*old}.difference(self.busy, self.fresh):
                    (self.routes / link).unlink()
                    self.went += 1
                    del alive[link]
            next_ += 1 / self.told.rate
            time.sleep(max(0.0, next_ - time.monotonic()))

    def figures(self, began: float) -> dict[str, object]:
        """Return what happened since a moment: numbers, failures, and times in seconds."""
        times = sorted(self.times)
        return {
            "seconds": time.monotonic() - began,
            "asked": len(times),
            "p50": times[len(times) // 2],
            "p99": times[len(times) * 99 // 100],
            "longest": times[-1],
            "failures": self.failures,
            "came": self.came,
            "went": self.went,
            "cut": len(self.cut),
        }


def repeated(connection: ssl.SSLSocket, word: bytes) -> bool:
    """Say whether the notebook still answers over the WebSocket: it says everything twice."""
    seen = b""
    with contextlib.suppress(OSError):
        connection.sendall(word)
        while len(seen) < 2 * len(word) and (data := connection.recv(4096)):
            seen += data
    return seen == 2 * word


def main() -> None:
    """Do all of it at once, and print what happened."""
    users = Users(Settings(**json.loads(sys.stdin.readline())))
    sockets = [users.websocket(number) for number in range(users.told.sockets)]
    print(json.dumps({"open": len(sockets)}), flush=True)
    began = time.monotonic()
    threads = [threading.Thread(target=users.go_on_asking, args=[number]) for number in range(users.told.clients)]
    if sockets:
        threads += [threading.Thread(target=users.go_on_talking, args=[sockets, number]) for number in range(TALKERS)]
    if users.told.rate:
        threads.append(threading.Thread(target=users.let_links_come_and_go))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(json.dumps(users.figures(began)))


main()
