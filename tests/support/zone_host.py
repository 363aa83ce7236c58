"""The host on which role dns_zone is tested alone: its zones, its keys, and how to ask, change and transfer them."""

from __future__ import annotations

import re
from typing import TypeAlias

import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rrset
import dns.tsig
import dns.tsigkeyring
import dns.update
from testinfra.host import Host

ADDRESS = "10.89.77.13"
DOMAIN = "trixie.test"
CHALLENGE = f"_acme-challenge.{DOMAIN}"
CONFIGURATION = "/etc/bind/lightship"
KEY = f"{CONFIGURATION}/acme-update.key"
# Where tests put another name server, of the parent domain or of a secondary's operator.
OTHER, OTHER_ADDRESS = "proxy12", "10.89.77.12"
# As in molecule.yml.
VARIABLES: dict[str, object] = {
    "dns_zone_domain": DOMAIN,
    "dns_zone_address": ADDRESS,
    "dns_zone_dnssec": True,
    "dns_zone_parent_servers": [OTHER_ADDRESS],
}

Keyring: TypeAlias = dict[dns.name.Name, dns.tsig.Key]


def ask(
    name: str, kind: str, rdclass: str = "IN", *, server: str = ADDRESS, dnssec: bool = False
) -> dns.message.Message:
    """Ask a name server as a stranger's resolver does."""
    return dns.query.udp(dns.message.make_query(name, kind, rdclass, want_dnssec=dnssec), server, timeout=5)


def values(name: str, kind: str, *, server: str = ADDRESS) -> set[str]:
    """Return the answers to a question, without quotation marks around them."""
    found = ask(name, kind, server=server).answer
    return {record.to_text().strip('"') for answer in found for record in answer}


def serial(zone: str, *, server: str = ADDRESS) -> int:
    """Return the serial number of a zone, 0 where a server does not have it."""
    return next((int(value.split()[2]) for value in values(zone, "SOA", server=server)), 0)


def secret_in(host: Host, file: str) -> str:
    """Return the key in a file as BIND has it, in Base64."""
    found = re.search(r'algorithm hmac-sha512;\s+secret "([^"]+)"', host.file(file).content_string)
    assert found
    return found[1]


def keyring_of(name: str, secret: str) -> Keyring:
    """Return a key as a client holds it."""
    ring: Keyring = dns.tsigkeyring.from_text({f"{name}.": secret})
    return ring


def change(zone: str, keyring: Keyring | None) -> dns.update.UpdateMessage:
    """Return an empty update of a zone, signed if there is a key."""
    if keyring is None:
        return dns.update.UpdateMessage(zone)
    return dns.update.UpdateMessage(zone, keyring=keyring, keyalgorithm=dns.tsig.HMAC_SHA512)


def send(update: dns.update.UpdateMessage) -> str:
    """Send an update and return the name server's verdict."""
    return dns.rcode.to_text(dns.query.tcp(update, ADDRESS, timeout=5).rcode())


def set_challenge(keyring: Keyring, *texts: str) -> None:
    """Replace what stands at the challenge's name."""
    update = change(CHALLENGE, keyring)
    update.delete("@", "TXT")
    for text in texts:
        update.add("@", 60, "TXT", text)
    assert send(update) == "NOERROR"


def transfer(zone: str, kind: str, keyring: Keyring | None, *, server: str = ADDRESS) -> dns.message.Message:
    """Ask for a whole zone, or for what changed in it, and return the first message of the answer."""
    query = dns.message.make_query(zone, kind)
    if kind == "IXFR":
        query.authority.append(dns.rrset.from_text(f"{zone}.", 0, "IN", "SOA", ". . 0 0 0 0 0"))
    if keyring is not None:
        query.use_tsig(keyring, algorithm=dns.tsig.HMAC_SHA512)
    return dns.query.tcp(query, server, timeout=5, ignore_trailing=True)


def refused_transfer(zone: str, kind: str, keyring: Keyring | None, *, server: str = ADDRESS) -> str:
    """Ask for a whole zone, or for what changed in it, and return the verdict, which is a refusal."""
    answer = transfer(zone, kind, keyring, server=server)
    assert not answer.answer
    return dns.rcode.to_text(answer.rcode())
