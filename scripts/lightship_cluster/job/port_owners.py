"""Whose programs are at a port of this node's loopback: every user of the node may listen there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lightship_cluster.job.sock_diag import FRESH, LISTENING, find

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
