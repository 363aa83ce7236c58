"""The doctor's checks of the domain: this host's name server, the parent domain, and the Public Suffix List."""

from __future__ import annotations

import json
import secrets
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

from lightship_registry.admin.checks import SECONDS, Finding, note, ok, run, unit, wrong
from lightship_registry.core.settings import Settings

NAME_SERVER = "named.service"
ADDRESS = ("127.0.0.1", 53)
RECORDS = {"A": 1, "AAAA": 28}
AUTHORITATIVE = 0x0400
# Role dns_zone installs it where this host has the name server.
DELEGATION = Path("/usr/local/lib/lightship/zone-delegation")
# Debian's package publicsuffix, Red Hat's publicsuffix-list.
LIST = Path("/usr/share/publicsuffix/public_suffix_list.dat")
UPDATE = "The list is a package of the distribution, publicsuffix: this host asks nobody else."


def name_server(settings: Settings) -> Iterator[Finding]:
    """Check that the name server runs, and answers for links."""
    state = unit(NAME_SERVER)
    if state.get("LoadState") == "not-found":
        yield note("no name server is on this host: others answer for the domain")
        return
    remedy = f"journalctl -u {NAME_SERVER}; systemctl restart {NAME_SERVER}"
    if state.get("ActiveState") != "active":
        yield wrong(f"{NAME_SERVER} is {state.get('ActiveState') or 'unknown'}: no link's name can be found", remedy)
        return
    try:
        found = any(_knows(settings.registry_host, number) for number in RECORDS.values())
    except (OSError, struct.error) as error:
        yield wrong(f"{NAME_SERVER} does not answer: {error}", remedy)
        return
    if found:
        yield ok(f"{NAME_SERVER} answers for {settings.registry_host}")
    else:
        said = f"{NAME_SERVER} has no address of {settings.registry_host}"
        yield wrong(said, "journalctl -u named says why the zone was not loaded; run site.yml --tags dns_zone.")


def _knows(name: str, record: int) -> bool:
    """Whether the name server gives an authoritative answer with such records of the name."""
    number = secrets.randbelow(1 << 16)
    labels = b"".join(bytes([len(label)]) + label for label in name.encode("ascii").split(b"."))
    question = struct.pack("!6H", number, 0, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!2H", record, 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.settimeout(SECONDS)
        asking.connect(ADDRESS)
        asking.send(question)
        answer, flags, _, answers = struct.unpack("!4H", asking.recv(4096)[:8])
    return answer == number and flags & 0x000F == 0 and bool(flags & AUTHORITATIVE) and answers > 0


def delegation() -> Iterator[Finding]:
    """Check what the parent domain has: NS records, addresses, the DS record; and that TCP port 53 can be reached."""
    if not DELEGATION.exists():
        return
    _, said = run([str(DELEGATION), "--json"])
    try:
        lacks = [Finding(lack["level"], lack["sentence"], lack["remedy"]) for lack in json.loads(said)["lacks"]]
    except (ValueError, KeyError, TypeError):
        why = said.splitlines()[-1] if said else f"no answer within {SECONDS:.0f} s"
        yield note(f"what the parent domain has of this host's zone is unknown: {why}", f"Run {DELEGATION}.")
        return
    yield from lacks or [ok("the parent domain delegates the zone to this host")]


def public_suffix(settings: Settings) -> Iterator[Finding]:
    """Check whether browsers treat each link as a site of its own."""
    try:
        rules = LIST.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        said = f"whether {settings.domain} is on the Public Suffix List is unknown: there is no {LIST}"
        yield note(said, UPDATE)
        return
    if is_public_suffix(settings.domain, rules):
        yield ok(f"{settings.domain} is on the Public Suffix List: browsers keep links apart as sites of their own")
        return
    said = f"{settings.domain} is not on this host's Public Suffix List: to browsers all links are one site"
    yield note(said, "https://publicsuffix.org/submit/ takes it, for good; browsers have it some months later.")


def is_public_suffix(domain: str, rules: list[str]) -> bool:
    """Whether the list says that whatever is directly below the domain belongs to different people."""
    known = {_plain(rule.split()[0]) for rule in rules if rule.strip() and not rule.startswith("//")}
    if f"!{domain}" in known:
        return False
    parent = domain.partition(".")[2]
    return domain in known or f"*.{parent}" in known


def _plain(rule: str) -> str:
    """The name as in DNS: the list has names in other alphabets as people read them."""
    if rule.isascii():
        return rule.lower()
    mark, name = ("!", rule[1:]) if rule.startswith("!") else ("", rule)
    try:
        labels = [label if label == "*" else label.encode("idna").decode("ascii") for label in name.split(".")]
    except UnicodeError:
        return rule
    return mark + ".".join(labels)
