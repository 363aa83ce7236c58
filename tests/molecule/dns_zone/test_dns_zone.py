"""The zone as resolvers meet it, and the update key as a thief would try it."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import dns.tsig
import dns.tsigkeyring
import dns.update
import pytest
from testinfra.host import Host

from support.deploy import deploy

testinfra_hosts = ["ssh://proxy13"]

ADDRESS = "10.89.77.13"
DOMAIN = "trixie.test"
CHALLENGE = f"_acme-challenge.{DOMAIN}"
KEY = "/etc/bind/lightship/acme-update.key"
VARIABLES: dict[str, object] = {"dns_zone_domain": DOMAIN, "dns_zone_address": ADDRESS}


def ask(name: str, kind: str, rdclass: str = "IN") -> dns.message.Message:
    """Ask the name server as a stranger's resolver does."""
    return dns.query.udp(dns.message.make_query(name, kind, rdclass), ADDRESS, timeout=5)


def values(name: str, kind: str) -> set[str]:
    """Return the answers to a question, without quotation marks."""
    return {record.to_text().strip('"') for answer in ask(name, kind).answer for record in answer}


def change(zone: str, keyring: dict[dns.name.Name, dns.tsig.Key] | None) -> dns.update.UpdateMessage:
    """Return an empty update of a zone, signed if there is a key."""
    if keyring is None:
        return dns.update.UpdateMessage(zone)
    return dns.update.UpdateMessage(zone, keyring=keyring, keyalgorithm=dns.tsig.HMAC_SHA512)


def send(update: dns.update.UpdateMessage) -> str:
    """Send an update and return the name server's verdict."""
    return dns.rcode.to_text(dns.query.tcp(update, ADDRESS, timeout=5).rcode())


def refused_transfer(zone: str, kind: str, keyring: dict[dns.name.Name, dns.tsig.Key] | None) -> str:
    """Ask for a whole zone, or for what changed in it, and return the verdict, which is a refusal."""
    query = dns.message.make_query(zone, kind)
    if kind == "IXFR":
        query.authority.append(dns.rrset.from_text(f"{zone}.", 0, "IN", "SOA", ". . 0 0 0 0 0"))
    if keyring is not None:
        query.use_tsig(keyring, algorithm=dns.tsig.HMAC_SHA512)
    answer = dns.query.tcp(query, ADDRESS, timeout=5)
    assert not answer.answer
    return dns.rcode.to_text(answer.rcode())


@pytest.fixture(scope="module")
def secret(host: Host) -> str:
    """The update key, in Base64."""
    found = re.search(r'algorithm hmac-sha512;\s+secret "([^"]+)"', host.file(KEY).content_string)
    assert found
    return found[1]


@pytest.fixture(scope="module")
def keyring(secret: str) -> dict[dns.name.Name, dns.tsig.Key]:
    """The update key, as a client holds it."""
    ring: dict[dns.name.Name, dns.tsig.Key] = dns.tsigkeyring.from_text({"lightship-acme.": secret})
    return ring


@pytest.fixture
def challenge(keyring: dict[dns.name.Name, dns.tsig.Key]) -> Iterator[str]:
    """A challenge record that stands during one test."""
    update = change(CHALLENGE, keyring)
    update.add("@", 60, "TXT", "proof")
    assert send(update) == "NOERROR"
    yield "proof"
    update = change(CHALLENGE, keyring)
    update.delete("@", "TXT")
    assert send(update) == "NOERROR"


@pytest.mark.parametrize(
    "name", [DOMAIN, f"aversion-runaround-spearman.{DOMAIN}", f"registry.{DOMAIN}", f"ns.{DOMAIN}"]
)
def test_every_name_leads_to_the_proxy(name: str) -> None:
    answer = ask(name, "A")
    assert answer.flags & dns.flags.AA
    assert values(name, "A") == {ADDRESS}


def test_the_zone_names_its_server_and_its_authority() -> None:
    assert values(DOMAIN, "NS") == {f"ns.{DOMAIN}."}
    assert values(DOMAIN, "CAA") == {'0 issue "letsencrypt.org'}
    assert ask(CHALLENGE, "SOA").flags & dns.flags.AA


def test_it_answers_over_tcp_as_well() -> None:
    assert dns.query.tcp(dns.message.make_query(DOMAIN, "A"), ADDRESS, timeout=5).answer


@pytest.mark.parametrize("name", ["example.org", "login", "localhost"])
def test_it_resolves_for_nobody(name: str) -> None:
    answer = ask(name, "A")
    assert dns.rcode.to_text(answer.rcode()) == "REFUSED"
    assert not answer.flags & dns.flags.RA
    assert not answer.answer


@pytest.mark.parametrize("zone", [DOMAIN, CHALLENGE])
@pytest.mark.parametrize("kind", ["AXFR", "IXFR"])
def test_it_gives_the_zone_to_nobody(zone: str, kind: str) -> None:
    assert refused_transfer(zone, kind, None) == "REFUSED"


@pytest.mark.parametrize("name", ["version.bind", "hostname.bind", "id.server"])
def test_it_does_not_say_what_it_is(name: str) -> None:
    assert not ask(name, "TXT", "CH").answer


def test_a_flood_of_like_questions_is_sent_to_tcp() -> None:
    answers = [ask(f"flood.{DOMAIN}", "A") for _ in range(300)]
    assert any(answer.flags & dns.flags.TC for answer in answers)
    assert all(answer.answer or answer.flags & dns.flags.TC for answer in answers)


def test_the_key_changes_the_challenge(challenge: str) -> None:
    assert values(CHALLENGE, "TXT") == {challenge}


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
def test_the_key_changes_nothing_else(
    keyring: dict[dns.name.Name, dns.tsig.Key], zone: str, name: str, kind: str, value: str
) -> None:
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
        (DOMAIN, "_acme-challenge", "NS"),
        (DOMAIN, "@", "CAA"),
        (DOMAIN, "*", None),
        (DOMAIN, "ns", None),
    ],
)
def test_the_key_deletes_nothing_else(
    keyring: dict[dns.name.Name, dns.tsig.Key], zone: str, name: str, kind: str | None
) -> None:
    held = [values(zone, "SOA"), values(zone, "NS"), values(DOMAIN, "CAA"), values(f"ns.{DOMAIN}", "A")]
    update = change(zone, keyring)
    update.delete(name, *([kind] if kind else []))
    assert send(update) == "REFUSED"
    assert [values(zone, "SOA"), values(zone, "NS"), values(DOMAIN, "CAA"), values(f"ns.{DOMAIN}", "A")] == held


@pytest.mark.parametrize("zone", ["test", "other.test", "_acme-challenge.example.org", f"registry.{DOMAIN}"])
def test_the_key_changes_no_other_zone(keyring: dict[dns.name.Name, dns.tsig.Key], zone: str) -> None:
    update = change(zone, keyring)
    update.add("@", 60, "TXT", "evil")
    assert send(update) in {"NOTAUTH", "REFUSED"}
    assert values(zone, "TXT") == set()


@pytest.mark.parametrize("zone", [DOMAIN, CHALLENGE])
@pytest.mark.parametrize("kind", ["AXFR", "IXFR"])
def test_the_key_reads_no_whole_zone(keyring: dict[dns.name.Name, dns.tsig.Key], zone: str, kind: str) -> None:
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
        ("lightship-acme.", dns.tsig.HMAC_SHA512),
        ("lightship-acme.", dns.tsig.HMAC_SHA256),
        (f"{CHALLENGE}.", dns.tsig.HMAC_SHA512),
        # The key by which `rndc` speaks to the name server.
        ("rndc-key.", dns.tsig.HMAC_SHA256),
    ],
)
def test_a_wrong_key_changes_nothing(name: str, algorithm: dns.name.Name) -> None:
    wrong: dict[dns.name.Name, dns.tsig.Key] = dns.tsigkeyring.from_text({name: "d3Jvbmc="})
    update = dns.update.UpdateMessage(CHALLENGE, keyring=wrong, keyalgorithm=algorithm)
    update.add("@", 60, "TXT", "evil")
    with pytest.raises(dns.tsig.PeerError):
        send(update)
    assert values(CHALLENGE, "TXT") == set()


def test_an_update_of_an_hour_ago_counts_no_more(
    keyring: dict[dns.name.Name, dns.tsig.Key], monkeypatch: pytest.MonkeyPatch
) -> None:
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


def test_a_change_of_the_zone_leaves_the_challenge_alone(
    challenge: str, secret: str, host: Host, tmp_path: Path
) -> None:
    serial = int(values(DOMAIN, "SOA").pop().split()[2])
    more = [{"name": "@", "type": "TXT", "value": '"v=spf1 -all"'}]
    try:
        assert deploy("dns_zone", "proxy13", tmp_path, **VARIABLES, dns_zone_records=more) > 0
        assert values(DOMAIN, "TXT") == {"v=spf1 -all"}
        assert int(values(DOMAIN, "SOA").pop().split()[2]) > serial
        assert values(CHALLENGE, "TXT") == {challenge}
        assert secret in host.file(KEY).content_string
    finally:
        deploy("dns_zone", "proxy13", tmp_path, **VARIABLES)
    assert values(DOMAIN, "TXT") == set()


def test_a_second_run_changes_nothing_while_a_challenge_stands(challenge: str, host: Host, tmp_path: Path) -> None:
    # BIND writes the challenge's zone file anew, under a name and a mode of its own.
    host.check_output(f"rndc sync -clean {CHALLENGE}")
    assert deploy("dns_zone", "proxy13", tmp_path, **VARIABLES) == 0
    assert values(CHALLENGE, "TXT") == {challenge}


def test_everything_stands_after_a_restart(challenge: str, host: Host) -> None:
    host.check_output("systemctl restart named")
    assert values(CHALLENGE, "TXT") == {challenge}
    assert values(f"any-other-name.{DOMAIN}", "A") == {ADDRESS}


def test_an_outside_provider_is_told_what_to_create(host: Host, tmp_path: Path) -> None:
    before = values(DOMAIN, "SOA")
    assert deploy("dns_zone", "proxy13", tmp_path, **VARIABLES, dns_zone_provider="none") == 0
    assert values(DOMAIN, "SOA") == before
    assert host.service("named").is_running
