"""This machine's addresses, and the one that its notebooks listen at."""

from __future__ import annotations

import ipaddress
import socket
import struct
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Union

Address = Union[ipaddress.IPv4Address, ipaddress.IPv6Address]
Network = Union[ipaddress.IPv4Network, ipaddress.IPv6Network]

# rtnetlink(7): one request, answered by messages with one address each.
_REQUEST_DUMP, _GET_ADDRESSES, _NEW_ADDRESS, _ERROR, _DONE = 0x301, 22, 20, 2, 3
_HEADER, _ABOUT, _FIELD = struct.Struct("=IHHII"), struct.Struct("=BBBBI"), struct.Struct("=HH")
_ADDRESS, _LOCAL = 1, 2
# Flags of addresses that are temporary, not yet usable, or deprecated.
_PASSING = {socket.AF_INET6: 0x01 | 0x08 | 0x20 | 0x40}
SECONDS = 1.0
LARGEST = 65536


def pick(networks: Sequence[Network], connected: str) -> str:
    """The address for a notebook: one in the first network in which this machine has any, else the connected one."""
    # A scope names the interface; the registry takes no address with one.
    candidates = [ipaddress.ip_address(connected.partition("%")[0]), *own_addresses()] if networks else []
    for network in networks:
        for address in candidates:
            if address in network:
                return str(address)
    return connected


def own_addresses() -> list[Address]:
    """All addresses of this machine; none if the kernel does not answer."""
    found: list[Address] = []
    with suppress(OSError), socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as kernel:
        kernel.settimeout(SECONDS)
        size = _HEADER.size + _ABOUT.size
        kernel.send(_HEADER.pack(size, _GET_ADDRESSES, _REQUEST_DUMP, 1, 0) + _ABOUT.pack(0, 0, 0, 0, 0))
        more = True
        while more:
            more = False
            for kind, message in _messages(kernel.recv(LARGEST)):
                more = kind not in (_DONE, _ERROR)
                if kind == _NEW_ADDRESS:
                    found += _read(message)
    return found


def _messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    while len(data) >= _HEADER.size:
        size, kind, *_ = _HEADER.unpack_from(data)
        if size < _HEADER.size:
            return
        yield kind, data[_HEADER.size : size]
        data = data[_aligned(size) :]


def _read(message: bytes) -> list[Address]:
    family, _, flags, _, _ = _ABOUT.unpack_from(message)
    if flags & _PASSING.get(family, 0):
        return []
    fields, rest = {}, message[_ABOUT.size :]
    while len(rest) >= _FIELD.size:
        size, kind = _FIELD.unpack_from(rest)
        if size < _FIELD.size:
            break
        fields[kind] = rest[_FIELD.size : size]
        rest = rest[_aligned(size) :]
    # On a point-to-point interface, the first address is the peer's.
    packed = fields.get(_LOCAL) or fields.get(_ADDRESS)
    return [ipaddress.ip_address(packed)] if packed and len(packed) in (4, 16) else []


def _aligned(size: int) -> int:
    return (size + 3) & ~3
