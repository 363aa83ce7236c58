"""Finds the users whose programs answer on a port of this node's loopback: every user of the node may listen there.

The kernel is asked about single sockets by sock_diag(7), which needs no privilege and takes microseconds. The tables in
/proc say the same, but reading them takes milliseconds: the kernel goes through all its sockets.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
# The owner of a connection that is closed already.
NOBODY = -1
# The addresses, as the kernel writes them, whose listeners get connections to each loopback address. A listener on any
# IPv6 address gets IPv4 connections too, unless it opted out.
_ANY4, _ANY6 = "0" * 8, "0" * 32
_REACHED = {
    "127.0.0.1": {"0100007F", "0000000000000000FFFF00000100007F", _ANY4, _ANY6},
    "::1": {"00000000000000000000000001000000", _ANY6},
}
LOOPBACKS = tuple(_REACHED)

_NETLINK_SOCK_DIAG, _SOCK_DIAG_BY_FAMILY, _NLM_F_REQUEST = 4, 20, 1
_HEADER = struct.Struct("=IHHII")
_REQUEST = struct.Struct("=BBBxI")
_PORTS = struct.Struct("!HH")
# Any interface, and a socket without a cookie.
_REST = struct.pack("=III", 0, 0xFFFFFFFF, 0xFFFFFFFF)
_ALL_STATES = 0xFFFFFFFF
_ADDRESS_BYTES = 16
# The state; after the socket's name two timers and queues; the owner and the inode.
_ANSWER = struct.Struct("=BBBB48sIIIII")
# The kernel's number of this state, also in its tables.
LISTENING = 10
# Established, or about to be. Until a program accepts it, such a connection has no inode.
FRESH = (1, 3, 12)
SECONDS = 1.0


@dataclass(frozen=True)
class _End:
    """One end of a connection, or a listener; `peer` is the port at the other end."""

    address: str
    peer: int
    state: int
    owner: int
    inode: int


def answerers(loopback: str, port: int, ours: int = 0) -> set[int]:
    """The numbers of the users who may answer on this port; with `ours`, on our connection from that local port.

    For a connection this is the owner of its other end, who may have closed the listener since. Until the connection is
    accepted, it is the owner of the listener.
    """
    found = find(loopback, port, ours)
    if found and found.waits:
        found = find(loopback, port)
    if found and not found.inode:
        return {NOBODY}
    # Not every kernel answers about single sockets.
    return {found.owner} if found else in_tables(loopback, port, ours)


def in_tables(loopback: str, port: int, ours: int, tables: Sequence[Path] = TABLES) -> set[int]:
    """The same from the kernel's tables: the owners of all listeners and of the other end."""
    found = set()
    for end in _ends(port, tables):
        if end.state == LISTENING:
            if end.address in _REACHED[loopback]:
                found.add(end.owner)
        # The other end has no inode before it is accepted, and after it was closed.
        elif ours and end.peer == ours and (end.inode or end.state not in FRESH):
            found.add(end.owner if end.inode else NOBODY)
    return found


def _ends(port: int, tables: Sequence[Path]) -> Iterator[_End]:
    wanted = f":{port:04X}"
    for table in tables:
        try:
            rows = table.read_text("ascii").splitlines()[1:]
        except FileNotFoundError:  # a node without IPv6
            continue
        for row in rows:
            fields = row.split()
            if fields[1].endswith(wanted):
                address, peer = fields[1].partition(":")[0], int(fields[2].rpartition(":")[2], 16)
                yield _End(address, peer, int(fields[3], 16), owner=int(fields[7]), inode=int(fields[9]))


@dataclass(frozen=True)
class Found:
    """A socket; `owner` is a user number. A socket without an inode belongs to no process."""

    listening: bool
    owner: int
    inode: int
    # Whether it is established or about to be.
    fresh: bool = False

    @property
    def waits(self) -> bool:
        """Whether the connection waits for a program to accept it; a closed one has no inode either."""
        return self.fresh and not self.inode


def find(address: str, port: int, peer_port: int = 0) -> Found | None:
    """The socket of a connection from the same address and `peer_port`, else the listener on the port.

    None if there is neither, or if the kernel does not answer.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    packed = socket.inet_pton(family, address).ljust(_ADDRESS_BYTES, b"\0")
    peer = packed if peer_port else bytes(_ADDRESS_BYTES)
    name = _PORTS.pack(port, peer_port) + packed + peer + _REST
    request = _REQUEST.pack(family, socket.IPPROTO_TCP, 0, _ALL_STATES) + name
    header = _HEADER.pack(_HEADER.size + len(request), _SOCK_DIAG_BY_FAMILY, _NLM_F_REQUEST, 1, 0)
    with suppress(OSError), socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_SOCK_DIAG) as kernel:
        kernel.settimeout(SECONDS)
        kernel.send(header + request)
        return _read(kernel.recv(8192))
    return None


def _read(answer: bytes) -> Found | None:
    if len(answer) < _HEADER.size + _ANSWER.size or _HEADER.unpack_from(answer)[1] != _SOCK_DIAG_BY_FAMILY:
        return None  # an error
    _, state, *_, owner, inode = _ANSWER.unpack_from(answer, _HEADER.size)
    return Found(state == LISTENING, owner, inode, fresh=state in FRESH)
