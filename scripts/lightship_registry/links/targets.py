"""Which addresses may be a target: only where the cluster's notebooks run, and never this host.

Publisher decides with these rules, and with what the store knows, whether a target is published.
"""

from __future__ import annotations

import ipaddress
import socket
import sys
from collections.abc import Collection, Mapping
from pathlib import Path

from lightship_registry.core.clock import Clock, steady
from lightship_registry.core.errors import RegistryError, invalid
from lightship_registry.core.settings import Settings

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
# Address and port of one end of a connection, as Python's sockets give them.
Endpoint = tuple[str, int]

LOWEST_PORT, HIGHEST_PORT = 1024, 65535
# Under `self`, which stays visible where the unit hides the rest of /proc.
SOCKET_TABLES = {4: Path("/proc/self/net/tcp"), 6: Path("/proc/self/net/tcp6")}
TIME_WAIT = "06"
TABLE_SECONDS = 1.0


def address_of(peer: str | None) -> Address:
    """The client's address, which the web server reports."""
    try:
        address = ipaddress.ip_address(peer or "")
    except ValueError as error:
        raise _bad("the web server did not report a valid client address (X-Real-IP)") from error
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id is not None:
            raise _bad(f"{address} is valid on one network link only")
        return address.ipv4_mapped or address
    return address


def require_allowed(settings: Settings, cluster: str, address: Address) -> None:
    """Refuse every address that cannot be a compute node of the cluster."""
    if not settings.allow_local_targets:
        if address.is_loopback or address.is_link_local or address.is_multicast or address.is_unspecified:
            raise _bad(f"{address} is not the address of a compute node")
        if is_own(address):
            raise _bad(f"{address} is an address of the proxy itself")
    if not any(address in network for network in settings.clusters.get(cluster, ())):
        raise _bad(f"{address}, where the request came from, lies outside the compute networks of cluster {cluster}")


def require_port(port: int) -> None:
    """Ports below 1024 belong to the node's system, not to a user."""
    if not LOWEST_PORT <= port <= HIGHEST_PORT:
        raise invalid(f"port must be from {LOWEST_PORT} to {HIGHEST_PORT}, not {port}.")


def is_own(address: Address) -> bool:
    """Whether the address is one of this host's."""
    return source_towards(address) == address


def source_towards(address: Address) -> Address | None:
    """The source address of a connection from this host to the address; None if there is no way there."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            # No packet is sent: the kernel only picks the source address, which for an own address is that address.
            probe.connect((str(address), 9))
        except OSError:
            return None
        return ipaddress.ip_address(probe.getsockname()[0])


def parts_of(target: str) -> tuple[Address, int]:
    """Split a target into address and port."""
    host, _, port = target.rpartition(":")
    return ipaddress.ip_address(host.strip("[]")), int(port)


def target_of(address: Address, port: int) -> str:
    """Join address and port, as in a URL."""
    return f"{address}:{port}" if address.version == 4 else f"[{address}]:{port}"


# For each remote end of this host's connections its local ends, written as in the kernel's table.
Peering = dict[str, set[str]]


class Peers:
    """The remote ends to which this host has connections.

    A target's rest alone is not enough: the first owner can keep a request running for hours. When that request ends,
    the web server would keep the idle connection, and use it for the next link at this target.
    """

    def __init__(self, ticks: Clock = steady, tables: Mapping[int, Path] = SOCKET_TABLES) -> None:
        self._ticks = ticks
        self._tables = tables
        self._seen: dict[int, tuple[float, Peering]] = {}

    def has(self, address: Address, port: int, but_for: Collection[Endpoint] = ()) -> bool:
        """Whether this host has a connection to a target whose last link ended a minute ago or more.

        The caller's own connections, named by this host's ends, do not count. The kernel walks through its whole table
        for each read, so the result is used for a second. A connection that is not in it is not opened later, because
        no route has led there since that link ended. One that is in it may have ended: then the table is read again.
        """
        now, wanted = self._ticks(), _as_in_table(address, port)
        own = {_as_in_table(ipaddress.ip_address(host), number) for host, number in but_for}
        read_at, peers = self._seen.get(address.version, (now - TABLE_SECONDS, Peering()))
        if now - read_at >= TABLE_SECONDS or peers.get(wanted, set()) - own:
            peers = _peers(self._tables[address.version])
            self._seen[address.version] = (now, peers)
        return bool(peers.get(wanted, set()) - own)


def _peers(table: Path) -> Peering:
    found: Peering = {}
    for row in table.read_text("ascii").splitlines()[1:]:
        _, ours, theirs, state, _ = row.split(maxsplit=4)
        if state != TIME_WAIT:
            found.setdefault(theirs, set()).add(ours)
    return found


def _as_in_table(address: Address, port: int) -> str:
    # The kernel prints each 32-bit word of an address in the machine's byte order.
    words = [address.packed[at : at + 4] for at in range(0, len(address.packed), 4)]
    return "".join(f"{int.from_bytes(word, sys.byteorder):08X}" for word in words) + f":{port:04X}"


def _bad(why: str) -> RegistryError:
    return invalid(f"This cannot be a target: {why}.", "bad-address")
