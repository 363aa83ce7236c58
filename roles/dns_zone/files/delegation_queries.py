"""Ask the name servers of a domain's parent what they have, and name servers whether they can be reached."""

from __future__ import annotations

import errno
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdatatype
import dns.resolver
import dns.rrset

# For one question, of which one server is asked a few, and for all that the host's resolver is asked at once.
SECONDS, RESOLVER_SECONDS = 2.0, 3.0
AT_ONCE = 16
ADDRESSES = (dns.rdatatype.A, dns.rdatatype.AAAA)
# Anything else is no answer to the question.
ANSWERED = (dns.rcode.NOERROR, dns.rcode.NXDOMAIN)
# What a host without IPv6 says of such an address: it cannot tell whether others reach it.
NO_WAY = (errno.ENETUNREACH, errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)
FAILED = (dns.exception.DNSException, OSError, EOFError)


@dataclass(frozen=True)
class Held:
    """What one of the parent's name servers has of the domain."""

    by: str
    servers: frozenset[str]
    addresses: dict[str, frozenset[str]]
    ds: frozenset[str]


def parent_servers(domain: str) -> dict[str, list[str]]:
    """Return the addresses of the parent domain's name servers, by the host's resolver; none where it finds none."""
    resolver = _resolver()
    if resolver is None:
        return {}
    try:
        zone = dns.resolver.zone_for_name(dns.name.from_text(domain).parent(), resolver=resolver)
        names = [_text(record.target) for record in resolver.resolve(zone, "NS")]
    except FAILED:
        return {}
    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = dict(zip(names, pool.map(addresses_of, names), strict=True))
    return {name: addresses for name, addresses in found.items() if addresses}


def addresses_of(name: str) -> list[str]:
    """Return the addresses of a name, by the host's resolver."""
    resolver, found = _resolver(), []
    for kind in ADDRESSES if resolver else ():
        try:
            found += [record.address for record in resolver.resolve(name, kind)]
        except FAILED:
            continue
    return found


def held_by(servers: dict[str, list[str]], domain: str) -> list[Held]:
    """Return what each of the servers has of the domain, if it answers."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = pool.map(lambda one: _held(*one, domain), servers.items())
        return [held for held in found if held]


def unreachable(servers: dict[str, list[str]], domain: str) -> list[tuple[str, str]]:
    """Return the name and the address of each server that does not answer for the domain over TCP."""
    pairs = [(name, address) for name, addresses in servers.items() for address in addresses]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        reached = pool.map(lambda pair: _answers(pair[1], domain), pairs)
        return [pair for pair, answers in zip(pairs, reached, strict=True) if not answers]


def _resolver() -> dns.resolver.Resolver | None:
    try:
        resolver = dns.resolver.Resolver()
    except FAILED:
        return None
    resolver.lifetime = RESOLVER_SECONDS
    return resolver


def _held(name: str, addresses: Iterable[str], domain: str) -> Held | None:
    for address in addresses:
        try:
            return _ask(name, address, domain)
        except FAILED:
            continue
    return None


def _ask(name: str, address: str, domain: str) -> Held:
    answer = _question(domain, "NS", address)
    servers = frozenset(_text(record.target) for record in _records(answer, domain, dns.rdatatype.NS))
    within = [server for server in servers if server.endswith(f".{domain}")]
    given = {server: _addresses(answer, server) or _addresses_at(address, server) for server in within}
    ds = frozenset(record.to_text() for record in _records(_question(domain, "DS", address), domain, dns.rdatatype.DS))
    return Held(name, servers, given, ds)


def _addresses_at(address: str, server: str) -> frozenset[str]:
    # A server that has the domain itself leaves the addresses out, one that refers to it repeats them.
    return frozenset().union(*(_addresses(_question(server, kind, address), server) for kind in ("A", "AAAA")))


def _addresses(answer: dns.message.Message, name: str) -> frozenset[str]:
    return frozenset(record.address for kind in ADDRESSES for record in _records(answer, name, kind))


def _records(answer: dns.message.Message, name: str, kind: dns.rdatatype.RdataType) -> Iterator[dns.rrset.RRset]:
    for rrset in (*answer.answer, *answer.authority, *answer.additional):
        if rrset.rdtype == kind and _text(rrset.name) == name:
            yield from rrset


def _question(name: str, kind: str, address: str) -> dns.message.Message:
    """Ask what this server has itself, over TCP where UDP has no room."""
    query = dns.message.make_query(name, kind, use_edns=0, flags=0)
    answer, _ = dns.query.udp_with_fallback(query, address, timeout=SECONDS)
    if answer.rcode() not in ANSWERED:
        raise dns.exception.DNSException(dns.rcode.to_text(answer.rcode()))
    return answer


def _answers(address: str, domain: str) -> bool:
    query = dns.message.make_query(domain, "SOA", use_edns=0, flags=0)
    try:
        answer = dns.query.tcp(query, address, timeout=SECONDS)
    except OSError as error:
        return error.errno in NO_WAY
    except FAILED:
        return False
    return bool(answer.answer and answer.flags & dns.flags.AA)


def _text(name: dns.name.Name) -> str:
    return name.to_text(omit_final_dot=True).lower()
