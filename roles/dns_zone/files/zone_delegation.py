#!/usr/bin/env -S python3 -B
"""Say what the parent domain lacks for this host's zone: NS records, addresses, the DS record, or a way to port 53.

Its own name servers are asked. The status is 1 when something is lacking or nobody answered, and 0 else.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import delegation_queries
from delegation_queries import Held

# Written by role dns_zone, on Debian and on Red Hat.
SETTINGS = (Path("/etc/bind/lightship/delegation.json"), Path("/etc/named/lightship/delegation.json"))
# As `lightship doctor` has them: unknown; works, but not as it should; somebody finds no link.
NOTE, WARNING, WRONG = "note", "warning", "wrong"
SHA256 = "2"


@dataclass(frozen=True)
class Lack:
    """What is lacking, and what to do about it."""

    level: str
    sentence: str
    remedy: str


@dataclass(frozen=True)
class Zone:
    """What the parent domain should have."""

    domain: str
    # The addresses of each name server; none of those outside the zone.
    servers: dict[str, list[str]]
    signed: bool
    ds: list[str]
    parent_servers: list[str]

    def glue(self) -> dict[str, list[str]]:
        """Return the addresses that only the parent can tell, because they are in the zone."""
        return {name: found for name, found in self.servers.items() if name.endswith(f".{self.domain}")}

    def records(self) -> str:
        """Return the records that delegate the zone."""
        lines = [f"{self.domain}. NS {name}." for name in self.servers]
        lines += [
            f"{name}. {'AAAA' if ':' in address else 'A'} {address}"
            for name, found in self.glue().items()
            for address in found
        ]
        return ", ".join(lines)

    def ds_records(self) -> str:
        """Return the DS records of the keys that sign."""
        return ", ".join(f"{self.domain}. DS {ds}" for ds in self.ds)


def delegation(zone: Zone, held: Held) -> Iterator[Lack]:
    """Yield what one of the parent's servers lacks of the delegation; `%s` is the server's place in the sentence."""
    if not held.servers:
        sentence = f"%s does not delegate {zone.domain}: from outside nobody finds a link."
        yield Lack(WARNING, sentence, f"Have the parent domain add: {zone.records()}.")
        return
    remedy = f"Have the parent domain hold exactly these: {zone.records()}."
    for name in sorted(zone.servers.keys() - held.servers):
        yield Lack(WARNING, f"%s has no NS record with {name} for {zone.domain}.", remedy)
    for name in sorted(held.servers - zone.servers.keys()):
        yield Lack(WARNING, f"%s delegates {zone.domain} to {name}, which is no name server of this zone.", remedy)
    for name, wanted in zone.glue().items():
        given = held.addresses.get(name, frozenset())
        if name not in held.servers or given == {*wanted}:
            continue
        said = f"gives {name} the address {' and '.join(sorted(given))}" if given else f"has no address of {name}"
        yield Lack(WARNING, f"%s {said}; {' and '.join(wanted)} would be right.", remedy)


def signatures(zone: Zone, held: Held) -> Iterator[Lack]:
    """Yield what is wrong with the DS records that one of the parent's servers has."""
    theirs = " and ".join(sorted(held.ds))
    invalid = "resolvers that check signatures find no link"
    if not zone.signed and held.ds:
        sentence = f"%s has the DS record {theirs} of {zone.domain}, which is not signed: {invalid}."
        yield Lack(WRONG, sentence, "Have the parent domain delete it, or set dns_zone_dnssec to true.")
    elif zone.signed and held.servers and not held.ds:
        sentence = f"%s has no DS record of {zone.domain}: nobody checks its signatures."
        yield Lack(WARNING, sentence, f"Give it to the parent domain: {zone.ds_records()}.")
    elif zone.signed and held.ds and not any(fits(ds, zone.ds) for ds in held.ds):
        sentence = f"%s has the DS record {theirs} of {zone.domain}, which fits no key of this host: {invalid}."
        yield Lack(WRONG, sentence, f"Have the parent domain replace it: {zone.ds_records()}.")


def fits(theirs: str, ours: list[str]) -> bool:
    """Tell whether a DS record is of one of our keys, by its digest, or where that is of another kind, by its tag."""
    words = theirs.lower().split()
    known = [ds.lower().split() for ds in ours]
    return words in known if words[2] == SHA256 else words[:2] in [ds[:2] for ds in known]


def examine(zone: Zone) -> dict[str, Any]:
    """Ask everybody; what is lacking, whether the parent answered, and its DS records."""
    parent = {address: [address] for address in zone.parent_servers} or delegation_queries.parent_servers(zone.domain)
    held = delegation_queries.held_by(parent, zone.domain)
    lacks = [*_merged(zone, held), *_unreachable(zone)]
    if not held:
        asked = f"None of {', '.join(parent)} answers" if parent else "No name server was found to ask"
        sentence = f"{asked} about {zone.domain}: what the parent domain has is unknown."
        remedy = "Let this host ask other name servers, or set dns_zone_parent_servers to addresses that it can ask."
        lacks.insert(0, Lack(NOTE, sentence, remedy))
    ds = sorted({record for one in held for record in one.ds})
    return {"answered": bool(held), "ds": ds, "lacks": [asdict(lack) for lack in lacks]}


def _merged(zone: Zone, held: list[Held]) -> Iterator[Lack]:
    found: dict[Lack, list[str]] = {}
    for one in held:
        for lack in (*delegation(zone, one), *signatures(zone, one)):
            found.setdefault(lack, []).append(one.by)
    for lack, servers in found.items():
        who = "The parent domain" if len(servers) == len(held) else f"The parent domain (at {', '.join(servers)})"
        yield Lack(lack.level, lack.sentence.replace("%s", who, 1), lack.remedy)


def _unreachable(zone: Zone) -> Iterator[Lack]:
    servers = {name: found or delegation_queries.addresses_of(name) for name, found in zone.servers.items()}
    for name in (name for name, found in servers.items() if not found):
        yield Lack(WARNING, f"The name server {name} has no address.", "Have its domain give it one.")
    for name, address in delegation_queries.unreachable(servers, zone.domain):
        sentence = f"The name server {name} ({address}) does not answer for {zone.domain} over TCP, asked from here."
        yield Lack(WARNING, sentence, "See that it runs, has the zone, and that firewalls pass port 53, UDP and TCP.")


def read(path: Path | None, parent_servers: list[str]) -> Zone:
    """Return the settings that the Ansible role wrote."""
    file = path or next((one for one in SETTINGS if one.exists()), SETTINGS[0])
    told = json.loads(file.read_text("utf-8"))
    return Zone(**{**told, "parent_servers": parent_servers or told["parent_servers"]})


def main(arguments: list[str] | None = None) -> int:
    """Print what is lacking."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--settings", type=Path, help="another file than role dns_zone's")
    parser.add_argument("--parent-server", action="append", default=[], help="an address, for those found")
    parser.add_argument("--json", action="store_true", help="print it for programs")
    given = parser.parse_args(arguments)
    try:
        zone = read(given.settings, given.parent_server)
    except (OSError, ValueError, TypeError, KeyError) as error:
        print(f"zone-delegation: the settings cannot be read: {error}. Run site.yml --tags dns_zone.", file=sys.stderr)
        return 2
    found = examine(zone)
    if given.json:
        print(json.dumps(found))
    else:
        for lack in found["lacks"]:
            print(f"{lack['sentence']}\n    {lack['remedy']}")
        if not found["lacks"]:
            print(f"The parent domain delegates {zone.domain} as it should.")
    return 1 if found["lacks"] else 0


if __name__ == "__main__":
    sys.exit(main())
