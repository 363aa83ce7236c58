"""A name server over UDP on this machine, whose answers a test makes."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import dns.message

Answering = Callable[[dns.message.Message], dns.message.Message | None]


@contextmanager
def name_server(answering: Answering) -> Iterator[tuple[str, int]]:
    """Answer each question by the function, or not at all if it returns nothing; yields the address and the port."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))

        def answer() -> None:
            while True:
                data, peer = server.recvfrom(4096)
                if not data:
                    return
                if (reply := answering(dns.message.from_wire(data))) is not None:
                    server.sendto(reply.to_wire(), peer)

        thread = threading.Thread(target=answer)
        thread.start()
        try:
            yield server.getsockname()
        finally:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
                last.sendto(b"", server.getsockname())
            thread.join()
