"""Signatures as a resolver checks them, down from the parent domain, and what is said of the parent domain's part."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dns.flags
import dns.message
import dns.query
import dns.rcode
import pytest
from testinfra.host import Host

from support.bed import eventually
from support.deploy import deploy, deployed
from support.parent_zone import GLUE, NAME_SERVER, ZONE, hold, parent_zone
from support.unbound import ADDRESS as RESOLVER
from support.unbound import PORT, unbound
from support.zone_host import (
    ADDRESS,
    CHALLENGE,
    CONFIGURATION,
    DOMAIN,
    OTHER_ADDRESS,
    VARIABLES,
    Keyring,
    ask,
    set_challenge,
    values,
)

testinfra_hosts = ["ssh://proxy13"]

STATE = "/var/lib/bind/lightship"
PROGRAM = "/usr/local/lib/lightship/zone-delegation"
# A host of the bed that has no name server.
NO_SERVER = "10.89.77.40"
WRONG_DS = f"{DOMAIN}. DS 1 13 2 {'00' * 32}"
UNSIGNED: dict[str, object] = {**VARIABLES, "dns_zone_dnssec": False}


@pytest.fixture(scope="module")
def parent() -> Iterator[None]:
    """The parent domain, on the other host."""
    with parent_zone():
        yield


@pytest.fixture(scope="module")
def ds(request: pytest.FixtureRequest, host: Host, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The DS record that a run prints for a parent that has everything else.

    The keys were lost before, so both zones are signed anew, with others.
    """
    request.getfixturevalue("parent")
    hold(NAME_SERVER, GLUE)
    host.run(f"rm {STATE}/keys/*")
    printed = deployed("dns_zone", "proxy13", tmp_path_factory.mktemp("ds"), **VARIABLES)
    (record,) = {*re.findall(rf"{re.escape(DOMAIN)}\. DS [0-9]+ 13 2 [0-9A-F]{{64}}", printed)}
    said = f"no DS record of {DOMAIN}: nobody checks its signatures. Give it to the parent domain: {record}."
    assert said in " ".join(printed.split())
    return str(record)


@pytest.fixture(scope="module")
def resolver(ds: str) -> Iterator[None]:
    """A resolver that knows the parent domain's key, while that one has the DS record."""
    hold(NAME_SERVER, GLUE, ds)
    (key,) = values(ZONE, "DNSKEY", server=OTHER_ADDRESS)
    with unbound(ZONE, OTHER_ADDRESS, f"{ZONE}. DNSKEY {key}"):
        yield


def resolve(name: str, kind: str) -> dns.message.Message:
    """Ask the resolver, which says whether the answer is signed as it should."""
    query = dns.message.make_query(name, kind, want_dnssec=True)
    return dns.query.udp_with_fallback(query, RESOLVER, port=PORT, timeout=20)[0]


@pytest.mark.usefixtures("resolver")
@pytest.mark.parametrize(
    ("name", "kind", "code"),
    [
        (DOMAIN, "A", "NOERROR"),
        (DOMAIN, "CAA", "NOERROR"),
        (f"aversion-runaround-spearman.{DOMAIN}", "A", "NOERROR"),
        (f"aversion-runaround-spearman.{DOMAIN}", "TXT", "NOERROR"),
        (CHALLENGE, "TXT", "NOERROR"),
        (CHALLENGE, "AAAA", "NOERROR"),
        (f"no-such-name.{CHALLENGE}", "A", "NXDOMAIN"),
    ],
)
def test_a_resolver_that_checks_signatures_finds_them_right(challenge: str, name: str, kind: str, code: str) -> None:
    answer = resolve(name, kind)
    assert dns.rcode.to_text(answer.rcode()) == code
    assert answer.flags & dns.flags.AD
    if (name, kind) == (CHALLENGE, "TXT"):
        assert f'"{challenge}"' in answer.to_text()


@pytest.mark.usefixtures("resolver")
@pytest.mark.parametrize("zone", [DOMAIN, CHALLENGE])
def test_no_zone_has_anything_of_lost_keys(zone: str) -> None:
    assert len(values(zone, "DNSKEY")) == len(values(zone, "CDS")) == 1


@pytest.mark.parametrize(
    ("records", "sentences"),
    [
        ([], [f"The parent domain does not delegate {DOMAIN}"]),
        (
            [f"{DOMAIN}. NS ns.elsewhere.test."],
            [
                f"no NS record with ns.{DOMAIN}",
                f"delegates {DOMAIN} to ns.elsewhere.test, which is no name server of this",
            ],
        ),
        ([NAME_SERVER], [f"The parent domain has no address of ns.{DOMAIN}; {ADDRESS} would be right."]),
        ([NAME_SERVER, f"ns.{DOMAIN}. A 192.0.2.1"], [f"gives ns.{DOMAIN} the address 192.0.2.1; {ADDRESS} would be"]),
        (
            [NAME_SERVER, GLUE, WRONG_DS],
            ["which fits no key of this host: resolvers that check"],
        ),
    ],
    ids=["nothing", "elsewhere", "no address", "wrong address", "wrong DS record"],
)
@pytest.mark.usefixtures("parent")
def test_what_the_parent_domain_lacks_is_said(host: Host, ds: str, records: list[str], sentences: list[str]) -> None:
    hold(*records, *([] if WRONG_DS in records or not records else [ds]))
    done = host.run(PROGRAM)
    assert done.rc == 1
    for sentence in sentences:
        assert sentence in done.stdout


def test_a_server_that_nobody_reaches_is_said_and_nothing_else(host: Host, ds: str) -> None:
    hold(NAME_SERVER, GLUE, ds)
    assert host.check_output(PROGRAM) == f"The parent domain delegates {DOMAIN} as it should."
    told = json.loads(host.file(f"{CONFIGURATION}/delegation.json").content_string)
    told["servers"]["ns2.example.org"] = [NO_SERVER]
    host.check_output(f"echo '{json.dumps(told)}' >/run/delegation.json")
    said = host.run(f"{PROGRAM} --settings /run/delegation.json").stdout
    assert f"The name server ns2.example.org ({NO_SERVER}) does not answer for {DOMAIN} over TCP" in said
    assert f"The parent domain has no NS record with ns2.example.org for {DOMAIN}." in said


def test_signing_ends_a_day_after_the_parent_has_deleted_the_ds_record(
    host: Host, ds: str, keyring: Keyring, tmp_path: Path
) -> None:
    hold(NAME_SERVER, GLUE, ds)
    with pytest.raises(AssertionError, match=f"still has the DS record.*of {DOMAIN}.*Have the parent domain delete"):
        deploy("dns_zone", "proxy13", tmp_path, **UNSIGNED)
    assert values(DOMAIN, "CDS") != {"0 0 0 00"}

    hold(NAME_SERVER, GLUE)
    assert deploy("dns_zone", "proxy13", tmp_path, **UNSIGNED) > 0
    assert deploy("dns_zone", "proxy13", tmp_path, **UNSIGNED) == 0
    # Resolvers may know of the DS record for a day.
    assert values(DOMAIN, "CDS") == {"0 0 0 00"}
    assert signed(DOMAIN)
    assert signed(CHALLENGE)

    earlier = (datetime.now(UTC) - timedelta(days=2)).strftime("%Y%m%d")
    host.check_output(f"systemctl stop named && sed -i -E 's/: 20[0-9]{{6}}/: {earlier}/' {STATE}/keys/*.state")
    host.check_output("systemctl start named")
    eventually(lambda: not signed(DOMAIN) and not signed(CHALLENGE), "it is signed after two days")
    set_challenge(keyring, "proof")
    set_challenge(keyring)


def signed(zone: str) -> bool:
    """Whether a zone has a key, and signatures."""
    return bool(values(zone, "DNSKEY")) and "RRSIG" in ask(zone, "SOA", dnssec=True).to_text()
