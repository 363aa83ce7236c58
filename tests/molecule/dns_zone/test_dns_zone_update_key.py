"""The update key as a thief would try it."""

from __future__ import annotations

import socket
import time

import dns.name
import dns.query
import dns.rcode
import dns.tsig
import dns.update
import pytest
from testinfra.host import Host

from support.zone_host import (
    ADDRESS,
    CHALLENGE,
    DOMAIN,
    KEY,
    Keyring,
    change,
    keyring_of,
    refused_transfer,
    send,
    values,
)

testinfra_hosts = ["ssh://proxy13"]


@pytest.mark.parametrize(
    ("zone", "name", "kind", "value"),
    [
        (CHALLENGE, "@", "A", "10.89.77.66"),
        (CHALLENGE, "@", "AAAA", "2001:db8::66"),
        (CHALLENGE, "@", "CNAME", "evil.example."),
        (CHALLENGE, "@", "DNAME", "evil.example."),
        (CHALLENGE, "@", "NS", "evil.example."),
        (CHALLENGE, "@", "SOA", f"ns.{DOMAIN}. evil.example. 4000000000 60 60 60 60"),
        (CHALLENGE, "@", "MX", "10 evil.example."),
        (CHALLENGE, "@", "CAA", '0 issue "evil.example"'),
        (CHALLENGE, "@", "HTTPS", "1 evil.example."),
        (CHALLENGE, "@", "DNSKEY", "257 3 13 AAAA"),
        (CHALLENGE, "@", "CDS", "0 0 0 00"),
        (CHALLENGE, "@", "CDNSKEY", "0 3 0 AA=="),
        (CHALLENGE, "@", "NSEC3PARAM", "1 0 0 -"),
        (CHALLENGE, "deeper", "TXT", "evil"),
        (CHALLENGE, "*", "TXT", "evil"),
        (CHALLENGE, "deeper", "NS", "evil.example."),
        (DOMAIN, "_acme-challenge", "TXT", "evil"),
        (DOMAIN, "_acme-challenge", "NS", "evil.example."),
        (DOMAIN, "_acme-challenge", "DS", "1 13 2 " + "00" * 32),
        (DOMAIN, "_acme-challenge.registry", "TXT", "evil"),
        (DOMAIN, "ns", "A", "10.89.77.66"),
        (DOMAIN, "@", "A", "10.89.77.66"),
        (DOMAIN, "@", "TXT", "evil"),
        (DOMAIN, "*", "A", "10.89.77.66"),
        (DOMAIN, "*", "CNAME", "evil.example."),
        (DOMAIN, "@", "CAA", '0 issue "evil.example"'),
        (DOMAIN, "_443._tcp.registry", "TLSA", "3 1 1 " + "00" * 32),
    ],
)
def test_the_key_changes_nothing_else(keyring: Keyring, zone: str, name: str, kind: str, value: str) -> None:
    before = values(zone, "SOA")
    update = change(zone, keyring)
    # Beside what the key may do: one record that it may not change refuses the whole.
    if zone == CHALLENGE:
        update.add("@", 60, "TXT", "beside")
    update.add(name, 60, kind, value)
    assert send(update) == "REFUSED"
    assert values(zone, "SOA") == before
    assert values(CHALLENGE, "TXT") == set()


@pytest.mark.parametrize(
    ("zone", "name", "kind"),
    [
        (CHALLENGE, "@", "NS"),
        (CHALLENGE, "@", "SOA"),
        (CHALLENGE, "@", None),
        (CHALLENGE, "@", "DNSKEY"),
        (CHALLENGE, "@", "RRSIG"),
        (DOMAIN, "_acme-challenge", "NS"),
        (DOMAIN, "@", "CAA"),
        (DOMAIN, "*", None),
        (DOMAIN, "ns", None),
    ],
)
def test_the_key_deletes_nothing_else(keyring: Keyring, zone: str, name: str, kind: str | None) -> None:
    held = [values(zone, "SOA"), values(zone, "NS"), values(DOMAIN, "CAA"), values(f"ns.{DOMAIN}", "A")]
    update = change(zone, keyring)
    update.delete(name, *([kind] if kind else []))
    assert send(update) == "REFUSED"
    assert [values(zone, "SOA"), values(zone, "NS"), values(DOMAIN, "CAA"), values(f"ns.{DOMAIN}", "A")] == held


@pytest.mark.parametrize("zone", ["test", "other.test", "_acme-challenge.example.org", f"registry.{DOMAIN}"])
def test_the_key_changes_no_other_zone(keyring: Keyring, zone: str) -> None:
    update = change(zone, keyring)
    update.add("@", 60, "TXT", "evil")
    assert send(update) in {"NOTAUTH", "REFUSED"}
    assert values(zone, "TXT") == set()


@pytest.mark.parametrize("zone", [DOMAIN, CHALLENGE])
@pytest.mark.parametrize("kind", ["AXFR", "IXFR"])
def test_the_key_reads_no_whole_zone(keyring: Keyring, zone: str, kind: str) -> None:
    assert refused_transfer(zone, kind, keyring) == "REFUSED"


@pytest.mark.parametrize("zone", [DOMAIN, CHALLENGE])
def test_without_the_key_nothing_changes(zone: str) -> None:
    update = change(zone, None)
    update.add("@", 60, "TXT", "evil")
    assert send(update) == "REFUSED"
    assert values(zone, "TXT") == set()


@pytest.mark.parametrize(
    ("name", "algorithm"),
    [
        ("lightship-acme", dns.tsig.HMAC_SHA512),
        ("lightship-acme", dns.tsig.HMAC_SHA256),
        (CHALLENGE, dns.tsig.HMAC_SHA512),
        # The key by which `rndc` speaks to the name server.
        ("rndc-key", dns.tsig.HMAC_SHA256),
    ],
)
def test_a_wrong_key_changes_nothing(name: str, algorithm: dns.name.Name) -> None:
    wrong = keyring_of(name, "d3Jvbmc=")
    update = dns.update.UpdateMessage(CHALLENGE, keyring=wrong, keyalgorithm=algorithm)
    update.add("@", 60, "TXT", "evil")
    with pytest.raises(dns.tsig.PeerError):
        send(update)
    assert values(CHALLENGE, "TXT") == set()


def test_an_update_of_an_hour_ago_counts_no_more(keyring: Keyring, monkeypatch: pytest.MonkeyPatch) -> None:
    update = change(CHALLENGE, keyring)
    update.add("@", 60, "TXT", "evil")
    with monkeypatch.context() as earlier:
        now = time.time()
        earlier.setattr(time, "time", lambda: now - 3600)
        caught = update.to_wire()
    with socket.create_connection((ADDRESS, 53), timeout=5) as connection:
        dns.query.send_tcp(connection, caught)
        length = connection.recv(2, socket.MSG_WAITALL)
        answer = connection.recv(int.from_bytes(length, "big"), socket.MSG_WAITALL)
    assert answer[3] & 0x0F == dns.rcode.NOTAUTH
    assert values(CHALLENGE, "TXT") == set()


def test_only_bind_reads_the_key(host: Host, secret: str) -> None:
    file = host.file(KEY)
    assert (file.user, file.group, file.mode) == ("root", "bind", 0o640)
    assert host.run(f"runuser -u nobody -- cat {KEY}").failed
    # With the command line of every process that said something.
    assert secret not in host.check_output("journalctl --no-pager --output=json")
