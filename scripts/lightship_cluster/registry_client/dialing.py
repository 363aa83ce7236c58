"""Connects to one server that may have several addresses, some of which may not be reachable from here."""

from __future__ import annotations

import socket
import time
from typing import Any

from lightship_cluster.core.errors import why

# The limit for one address while another is left to try: long enough for two lost packets, and no longer, since IPv6
# addresses come first and may be filtered.
TRY_SECONDS = 3.5

Candidate = tuple[socket.AddressFamily, tuple[Any, ...]]


class Dialer:
    """Opens connections; the address that answered last is tried first.

    Attributes:
        source: the local address of connections; empty for the kernel's choice.
        own: the local address of the last connection.
    """

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self.source = ""
        self.own = ""
        self._answered: Candidate | None = None

    def connect(self, timeout: float) -> socket.socket:
        """Open a connection; an OSError names the failure of each address."""
        deadline = time.monotonic() + timeout
        candidates = self._candidates()
        failures = []
        for number, candidate in enumerate(candidates, 1):
            left = max(0.001, deadline - time.monotonic())
            try:
                connection = self._open(candidate, left if number == len(candidates) else min(left, TRY_SECONDS))
            except OSError as error:
                failures.append((candidate[1][0], error))
            else:
                connection.settimeout(timeout)
                self.own, self._answered = str(connection.getsockname()[0]), candidate
                return connection
        if len(failures) == 1:
            raise failures[0][1]
        raise OSError("; ".join(f"{address}: {why(error)}" for address, error in failures) or self._no_address())

    def _candidates(self) -> list[Candidate]:
        found = socket.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
        candidates = [(family, address) for family, _, _, _, address in found]
        if self.source:
            wanted = socket.AF_INET6 if ":" in self.source else socket.AF_INET
            candidates = [candidate for candidate in candidates if candidate[0] == wanted]
        return sorted(candidates, key=lambda candidate: candidate != self._answered)

    def _open(self, candidate: Candidate, seconds: float) -> socket.socket:
        family, address = candidate
        connection = socket.socket(family, socket.SOCK_STREAM)
        try:
            connection.settimeout(seconds)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.source:
                connection.bind((self.source, 0))
            connection.connect(address)
        except OSError:
            connection.close()
            raise
        return connection

    def _no_address(self) -> str:
        return f"it has no address that {self.source} reaches, which is of the other kind of IPv4 and IPv6"
