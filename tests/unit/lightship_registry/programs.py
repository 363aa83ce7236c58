"""Programs that listen on this machine as a notebook in the clear does: many connections at a time, until they die."""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
from collections.abc import Iterator

from unit.lightship_registry.testbed import NODE, OK


class Program:
    """Answers every request alike, and keeps the first lines of all that came."""

    def __init__(self, answer: bytes = OK, port: int = 0, *, at_once: int = 1000) -> None:
        self.answer = answer
        self.requests: list[bytes] = []
        self._at_once = at_once
        self._connections: set[socket.socket] = set()
        self._listener = socket.create_server((NODE, port), backlog=128)
        self.port: int = self._listener.getsockname()[1]
        self._closed = threading.Event()
        self._bell, self._ring = socket.socketpair()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def die(self) -> None:
        """Close the port and all connections, as the kernel does for a process."""
        self._ring.close()
        self._thread.join()

    def close_port(self) -> None:
        """Listen no more, and keep the connections."""
        self._ring.send(b"x")
        self._closed.wait()

    def _serve(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._bell, selectors.EVENT_READ)
            while self._step(selector):
                pass
        for each in (self._listener, *self._connections, self._bell):
            each.close()

    def _step(self, selector: selectors.BaseSelector) -> bool:
        full = len(self._connections) >= self._at_once
        if not self._closed.is_set() and full != (self._listener not in selector.get_map()):
            selector.unregister(self._listener) if full else selector.register(self._listener, selectors.EVENT_READ)
        for key, _ in selector.select():
            if key.fileobj is self._bell:
                if not self._bell.recv(1):
                    return False
                selector.unregister(self._listener)
                self._listener.close()
                self._closed.set()
                return True
            if key.fileobj is self._listener:
                connection, _ = self._listener.accept()
                self._connections.add(connection)
                selector.register(connection, selectors.EVENT_READ)
            else:
                assert isinstance(key.fileobj, socket.socket)
                self._serve_one(key.fileobj, selector)
        return True

    def _serve_one(self, connection: socket.socket, selector: selectors.BaseSelector) -> None:
        try:
            request = connection.recv(4096)
            if request:
                self.requests.append(request.partition(b"\r\n")[0])
                if not self.answer:
                    return
                connection.sendall(self.answer)
        except OSError:
            pass
        selector.unregister(connection)
        self._connections.discard(connection)
        connection.close()


@contextlib.contextmanager
def program(answer: bytes = OK, port: int = 0) -> Iterator[int]:
    """One that lives for as long as the block; its port."""
    running = Program(answer, port)
    try:
        yield running.port
    finally:
        running.die()
