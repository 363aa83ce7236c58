"""Who the parent domain's name servers are, by the host's resolver, here one with some records of the test's own."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from typing import Any

import dns.message
import dns.resolver
import dns.rrset
import pytest

from support.name_server import name_server
from unit.ansible.plugins import REPOSITORY

sys.path.insert(0, str(REPOSITORY / "roles" / "dns_zone" / "files"))
queries: Any = importlib.import_module("delegation_queries")

SOA = "a.example.org. hostmaster.example.org. 1 3600 900 1209600 60"
# The zone example.org has the name departments.example.org, which is no zone of its own.
RECORDS = {
    ("example.org.", "SOA"): [SOA],
    ("example.org.", "NS"): ["a.example.org.", "b.example.net.", "gone.example.net."],
    ("a.example.org.", "A"): ["192.0.2.1"],
    ("a.example.org.", "AAAA"): ["2001:db8::1"],
    ("b.example.net.", "A"): ["192.0.2.2"],
}


def answer(query: dns.message.Message) -> dns.message.Message:
    reply, asked = dns.message.make_response(query), query.question[0]
    key = (asked.name.to_text(), dns.rdatatype.to_text(asked.rdtype))
    if values := RECORDS.get(key):
        reply.answer.append(dns.rrset.from_text(asked.name, 60, "IN", key[1], *values))
    return reply


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The host's resolver, with these records and no others."""
    known = dns.resolver.Resolver(configure=False)
    with name_server(answer) as (address, port):
        known.nameservers, known.port = [address], port
        monkeypatch.setattr(queries, "_resolver", lambda: known)
        yield


@pytest.mark.usefixtures("resolver")
def test_the_zone_above_is_found_though_it_is_not_directly_above() -> None:
    expected = {"a.example.org": ["192.0.2.1", "2001:db8::1"], "b.example.net": ["192.0.2.2"]}
    assert queries.parent_servers("notebooks.departments.example.org") == expected
    assert queries.parent_servers("notebooks.example.org") == expected


@pytest.mark.usefixtures("resolver")
def test_where_the_resolver_knows_no_zone_above_there_are_none() -> None:
    assert queries.parent_servers("notebooks.example.com") == {}


def test_a_host_without_a_resolver_finds_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queries, "_resolver", lambda: None)
    assert queries.parent_servers("notebooks.example.org") == {}
    assert queries.addresses_of("a.example.org") == []


def test_where_nothing_listens_there_is_no_answer() -> None:
    assert queries.unreachable({"ns.example.org": ["127.9.9.9"]}, "example.org") == [("ns.example.org", "127.9.9.9")]
    assert queries.held_by({"a.example.org": ["127.9.9.9"]}, "notebooks.example.org") == []


def test_an_address_that_this_host_has_no_way_to_is_not_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(queries.errno.ENETUNREACH, "Network is unreachable")

    monkeypatch.setattr(queries.dns.query, "tcp", fail)
    assert queries.unreachable({"ns.example.org": ["2001:db8::1"]}, "example.org") == []
