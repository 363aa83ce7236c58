"""Whose programs are at a port of this node's loopback: every user of the node may listen there.

The kernel is asked about single sockets by sock_diag(7), which needs no privilege and takes microseconds. The tables in
/proc say the same, but for them the kernel goes through all of its sockets: milliseconds.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
# Whoever had a connection that is closed already.
NOBODY = -1
# As the kernel writes addresses: those where a listener gets what is sent to one of loopback. A listener on any address
# of IPv6 gets that of IPv4 too, unless it has said otherwise.
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
# State, and after the socket's name two timers and queues, then whose it is and its inode.
_ANSWER = struct.Struct("=BBBB48sIIIII")
# The kernel's numbers of states, in its tables too.
LISTENING = 10
# Established, and on the way there: until a program takes it, such a connection has no inode.
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
    """The user numbers of those who may answer a connection to this address, and of ours, from our port `ours`.

    That is whoever has its other end, for they may have closed their listener since; until somebody takes it, whoever
    listens.
    """
    found = find(loopback, port, ours)
    if found and found.waits:
        found = find(loopback, port)
    if found and not found.inode:
        return {NOBODY}
    # Not every kernel tells of single sockets.
    return {found.owner} if found else in_tables(loopback, port, ours)


def in_tables(loopback: str, port: int, ours: int, tables: Sequence[Path] = TABLES) -> set[int]:
    """The same from the kernel's tables: all who listen, and whoever has the other end."""
    found = set()
    for end in _ends(port, tables):
        if end.state == LISTENING:
            if end.address in _REACHED[loopback]:
                found.add(end.owner)
        # Until a program takes it, the other end has no inode; one that was closed has none any more.
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
    """A socket: `owner` is the user number of whoever has it; nobody has one without an inode."""

    listening: bool
    owner: int
    inode: int
    # Whether it is open at both ends.
    fresh: bool = False

    @property
    def waits(self) -> bool:
        """For a program to take it: what is closed was somebody's, and is nobody's for another reason."""
        return self.fresh and not self.inode


def find(address: str, port: int, peer_port: int = 0) -> Found | None:
    """The socket at this end of a connection from the same address, or else what listens here.

    None: there is neither, or this kernel tells nobody.
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
