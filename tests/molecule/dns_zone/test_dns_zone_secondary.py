"""A real BIND as secondary: it gets both zones with the key, nobody gets them without, and it follows each change."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from testinfra.host import Host

from support import bed
from support.deploy import deploy
from support.zone_host import (
    ADDRESS,
    CHALLENGE,
    CONFIGURATION,
    DOMAIN,
    OTHER,
    VARIABLES,
    Keyring,
    change,
    keyring_of,
    refused_transfer,
    secret_in,
    send,
    serial,
    set_challenge,
    transfer,
    values,
)
from support.zone_host import OTHER_ADDRESS as SECONDARY

testinfra_hosts = ["ssh://proxy13"]

NAME = f"ns2.{DOMAIN}"
SITE: dict[str, object] = {**VARIABLES, "dns_zone_secondaries": [{"name": NAME, "addresses": [SECONDARY]}]}
TRANSFER_KEY = f"{CONFIGURATION}/transfer.key"
# The file for an administrator's own zones, on a host with the role and a domain of its own.
LOCAL = "/etc/bind/named.conf.local"
ZONE = """zone "%s" { type secondary; file "secondary-%s"; primaries { %s key %s; }; };
"""


@pytest.fixture(scope="module")
def transfer_keyring(host: Host, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keyring]:
    """The secondaries' key, while the other host is a secondary."""
    folder = tmp_path_factory.mktemp("secondary")
    assert deploy("dns_zone", "proxy13", folder, **SITE) > 0
    secret = secret_in(host, TRANSFER_KEY)
    text = host.file(TRANSFER_KEY).content_string
    text += "".join(ZONE % (zone, zone, ADDRESS, "lightship-transfer") for zone in (DOMAIN, CHALLENGE))
    bed.run(OTHER, f"cp {LOCAL} /run/named.conf.local; cat >>{LOCAL} && rndc reconfig", text=text)
    yield keyring_of("lightship-transfer", secret)
    bed.run(OTHER, f"cat /run/named.conf.local >{LOCAL} && rndc reconfig && rm /var/cache/bind/secondary-*")
    deploy("dns_zone", "proxy13", folder, **VARIABLES)


def follows(zone: str, texts: set[str]) -> None:
    """Wait until the secondary has these texts at the zone's own name."""
    bed.eventually(lambda: values(zone, "TXT", server=SECONDARY) == texts, f"{zone} has not arrived")


@pytest.mark.usefixtures("transfer_keyring")
def test_the_secondary_gets_both_zones_and_follows_each_change(keyring: Keyring, tmp_path: Path) -> None:
    bed.eventually(
        lambda: all(serial(zone, server=SECONDARY) == serial(zone) for zone in (DOMAIN, CHALLENGE)),
        "it does not have both zones",
    )
    assert values(DOMAIN, "NS", server=SECONDARY) == {f"ns.{DOMAIN}.", f"{NAME}."}
    assert values(NAME, "A", server=SECONDARY) == {SECONDARY}
    assert values(DOMAIN, "DNSKEY", server=SECONDARY) == values(DOMAIN, "DNSKEY") != set()
    # As certbot writes them, for the domain and for its wildcard; a refresh would come after an hour.
    for texts in (("one",), ("one", "two"), ()):
        set_challenge(keyring, *texts)
        follows(CHALLENGE, set(texts))
    more = [{"name": "@", "type": "TXT", "value": "more"}]
    assert deploy("dns_zone", "proxy13", tmp_path, **SITE, dns_zone_records=more) > 0
    follows(DOMAIN, {"more"})


@pytest.mark.parametrize("zone", [DOMAIN, CHALLENGE])
@pytest.mark.parametrize("kind", ["AXFR", "IXFR"])
def test_zones_are_transferred_with_the_key_alone(
    transfer_keyring: Keyring, keyring: Keyring, zone: str, kind: str
) -> None:
    assert transfer(zone, kind, transfer_keyring).answer
    assert refused_transfer(zone, kind, None) == "REFUSED"
    assert refused_transfer(zone, kind, keyring) == "REFUSED"


@pytest.mark.parametrize("zone", [DOMAIN, CHALLENGE])
def test_the_transfer_key_changes_nothing(transfer_keyring: Keyring, zone: str) -> None:
    update = change(zone, transfer_keyring)
    update.add("@", 60, "TXT", "evil")
    assert send(update) == "REFUSED"


@pytest.mark.usefixtures("transfer_keyring")
def test_only_bind_reads_the_transfer_key(host: Host) -> None:
    file = host.file(TRANSFER_KEY)
    assert (file.user, file.group, file.mode) == ("root", "bind", 0o640)
