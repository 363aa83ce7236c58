"""Filters that turn the role's variables into the records of a zone."""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeAlias

Records: TypeAlias = list[dict[str, str]]

# No character that ends a parameter, a CAA record or a line of a zone file.
ACCOUNT = re.compile(r"https://[A-Za-z0-9.-]+(:[0-9]{1,5})?/[A-Za-z0-9._~/%?=&+-]+")


def zone_records(
    domain: str,
    *,
    addresses: Iterable[str],
    name_servers: Iterable[str],
    name_server_addresses: Iterable[str],
    caa: Iterable[str],
    secondaries: Iterable[Mapping[str, Any]] = (),
    challenge_ds: Iterable[str] = (),
) -> Records:
    """Return the records of the service's zone below its SOA, names relative to `domain`.

    The challenge is a zone of its own, handed to a name server name that depends on the domain alone: that zone is
    written once and then belongs to the holder of the update key. It names no secondaries, so an authority need not
    wait until they have the challenge; a secondary without that zone refers to the first server.
    """
    others = list(secondaries)
    servers = [name.rstrip(".") for name in name_servers]
    inside = [name.removesuffix(f".{domain}") for name in servers if name.endswith(f".{domain}")]
    return [
        *records("@", "NS", dict.fromkeys(f"{name}." for name in [*servers, *(each["name"] for each in others)])),
        *addressed(["@", "*"], addresses),
        *addressed(dict.fromkeys(["ns", *inside]), name_server_addresses),
        *(
            record
            for each in others
            if each["name"].endswith(f".{domain}")
            for record in addressed([each["name"].removesuffix(f".{domain}")], each["addresses"])
        ),
        *records("_acme-challenge", "NS", [f"ns.{domain}."]),
        *records("_acme-challenge", "DS", challenge_ds),
        *records("@", "CAA", [f'0 issue "{issuer}"' for issuer in caa]),
    ]


def workstation_records(
    domain: str, workstations: Iterable[Mapping[str, Any]], proxy: Iterable[str], challenge: str
) -> Records:
    """Return the records of workstations' names, for which the wildcard does not count as soon as they have any.

    Args:
        domain: the zone's domain.
        workstations: `names` and `addresses` of each.
        proxy: the addresses of those without.
        challenge: the domain that takes their challenges; empty for none.
    """
    own = list(proxy)
    found: Records = []
    for each in workstations:
        inside = [name.removesuffix(f".{domain}") for name in each["names"] if name.endswith(f".{domain}")]
        found += addressed(inside, each.get("addresses") or own)
        for name in inside if challenge else []:
            found += records(f"_acme-challenge.{name}", "CNAME", [f"_acme-challenge.{challenge}."])
    return found


def caa_issuers(issuers: Iterable[str], accounts: Iterable[str], methods: Iterable[str]) -> list[str]:
    """Return what CAA records say of each authority: who may ask it, and how it has to prove the domain (RFC 8657).

    Several accounts take several records, any of which is enough. What an authority's own entry says stays.
    """
    uris, ways = sorted(set(accounts)), ",".join(methods)
    found = []
    for issuer in issuers:
        more = f"; validationmethods={ways}" if ways and not has_parameter(issuer, "validationmethods") else ""
        bound = [f"; accounturi={uri}" for uri in uris] if not has_parameter(issuer, "accounturi") else []
        found += [f"{issuer}{account}{more}" for account in bound or [""]]
    return found


def has_parameter(issuer: str, name: str) -> bool:
    """Tell whether an authority's entry has a parameter already."""
    return any(word.partition("=")[0].strip() == name for word in issuer.split(";")[1:])


def without_parameter(issuers: Iterable[str], name: str) -> list[str]:
    """Return the authorities whose entry does not have a parameter."""
    return [issuer for issuer in issuers if not has_parameter(issuer, name)]


def account_uris(registrations: Iterable[str]) -> list[str]:
    """Return the addresses of accounts, from what certbot wrote when it registered them."""
    found = (json.loads(text).get("uri") for text in registrations)
    return sorted({uri for uri in found if isinstance(uri, str) and ACCOUNT.fullmatch(uri)})


def not_account_uris(texts: Iterable[object]) -> list[str]:
    """Return those of `texts` that cannot be the address of an account in a CAA record."""
    return [str(text) for text in texts if not ACCOUNT.fullmatch(str(text))]


def addressed(names: Iterable[str], addresses: Iterable[str]) -> Iterator[dict[str, str]]:
    """Yield an A or AAAA record for each pair of a name and an address."""
    known = [ipaddress.ip_address(address) for address in addresses]
    for name in names:
        yield from records(name, "A", [str(address) for address in known if address.version == 4])
        yield from records(name, "AAAA", [str(address) for address in known if address.version == 6])


def records(name: str, kind: str, values: Iterable[str]) -> Records:
    """Return one record of `kind` at `name` for each value."""
    return [{"name": name, "type": kind, "value": value} for value in values]


def zone_servers(
    name_servers: Iterable[str], domain: str, addresses: Iterable[str], secondaries: Iterable[Mapping[str, Any]]
) -> dict[str, list[str]]:
    """Return the addresses of each name server of the zone; none of those whose names belong to other zones."""
    own = [str(ipaddress.ip_address(address)) for address in addresses]
    servers = {name.rstrip("."): own if name.endswith(f".{domain}") else [] for name in name_servers}
    return servers | {
        each["name"]: [str(ipaddress.ip_address(address)) for address in each["addresses"]] for each in secondaries
    }


def ds_of(lines: Iterable[str], zone: str) -> list[str]:
    """Return the data of a zone's DS records, from what dnssec-dsfromkey printed of all."""
    found = (line.partition(" IN DS ") for line in lines)
    return sorted(data for name, _, data in found if name == f"{zone}.")


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
            "workstation_records": workstation_records,
            "zone_lines": zone_lines,
            "zone_servers": zone_servers,
            "ds_of": ds_of,
            "not_addresses": not_addresses,
            "caa_issuers": caa_issuers,
            "without_parameter": without_parameter,
            "account_uris": account_uris,
            "not_account_uris": not_account_uris,
            "mailbox_name": mailbox_name,
        }
