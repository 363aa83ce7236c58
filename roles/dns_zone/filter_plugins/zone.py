"""Filters that turn the role's variables into the records of a zone."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TypeAlias

Records: TypeAlias = list[dict[str, str]]


def zone_records(
    domain: str,
    *,
    addresses: Iterable[str],
    name_servers: Iterable[str],
    name_server_addresses: Iterable[str],
    caa_issuers: Iterable[str],
) -> Records:
    """Return the records of the service's zone below its SOA, names relative to `domain`.

    The challenge is a zone of its own, handed to a name server name that depends on the domain alone: that zone is
    written once and then belongs to whoever holds the update key.
    """
    servers = [name.rstrip(".") for name in name_servers]
    inside = [name.removesuffix(f".{domain}") for name in servers if name.endswith(f".{domain}")]
    return [
        *records("@", "NS", [f"{name}." for name in servers]),
        *addressed(["@", "*"], addresses),
        *addressed(dict.fromkeys(["ns", *inside]), name_server_addresses),
        *records("_acme-challenge", "NS", [f"ns.{domain}."]),
        *records("@", "CAA", [f'0 issue "{issuer}"' for issuer in caa_issuers]),
    ]


def addressed(names: Iterable[str], addresses: Iterable[str]) -> Iterator[dict[str, str]]:
    """Yield an A or AAAA record for each pair of a name and an address."""
    known = [ipaddress.ip_address(address) for address in addresses]
    for name in names:
        yield from records(name, "A", [str(address) for address in known if address.version == 4])
        yield from records(name, "AAAA", [str(address) for address in known if address.version == 6])


def records(name: str, kind: str, values: Iterable[str]) -> Records:
    """Return one record of `kind` at `name` for each value."""
    return [{"name": name, "type": kind, "value": value} for value in values]


def zone_lines(found: Iterable[Mapping[str, str]]) -> list[str]:
    """Return records as lines of a zone file."""
    return ["{name} IN {type} {value}".format_map(record) for record in found]


def not_addresses(texts: Iterable[object]) -> list[str]:
    """Return those of `texts` that are neither an IPv4 nor an IPv6 address."""
    return [str(text) for text in texts if not is_address(str(text))]


def is_address(text: str) -> bool:
    """Tell whether `text` is an address, without a network's length or a scope."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return "%" not in text


def mailbox_name(mail: str) -> str:
    """Return a mail address in the form that an SOA record has it."""
    person, _, domain = mail.partition("@")
    return "{}.{}.".format(person.replace(".", "\\."), domain)


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., object]]:
        """Return the filters by name."""
        return {
            "zone_records": zone_records,
            "zone_lines": zone_lines,
            "not_addresses": not_addresses,
            "mailbox_name": mailbox_name,
        }
