"""The zone as the role writes it, read back by a DNS library."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from typing import Any

import dns.rdatatype
import dns.zone
import pytest
from ansible.plugins.loader import filter_loader

from support import role_templates

Render = Callable[..., str]

DOMAIN = "notebooks.example.org"
ACCOUNT = "https://acme-v02.api.letsencrypt.org/acme/acct/123456789"
ADDRESSES = ["203.0.113.10", "2001:db8::10"]


def zone(text: str) -> dns.zone.Zone:
    """Return a zone file as the zone that it describes."""
    return dns.zone.from_text(text, origin=f"{DOMAIN}.", relativize=False)


def values(text: str, name: str, kind: str) -> set[str]:
    """Return the data of one name's records of one type."""
    found = zone(text).get_rdataset(f"{name}.", kind)
    return {record.to_text() for record in found} if found else set()


def serial(text: str) -> int:
    """Return the serial number of a zone."""
    number: Any = zone(text).get_soa().serial
    return int(number)


@pytest.fixture
def text(render: Render) -> str:
    """The zone of a site that set no more than it had to."""
    return render("dns_zone", "zone.j2", dns_zone_domain=DOMAIN, dns_zone_address=ADDRESSES)


@pytest.mark.parametrize("name", [DOMAIN, f"*.{DOMAIN}", f"ns.{DOMAIN}"])
def test_both_families_of_addresses(text: str, name: str) -> None:
    assert values(text, name, "A") == {ADDRESSES[0]}
    assert values(text, name, "AAAA") == {ADDRESSES[1]}


def test_one_address_may_be_plain_text(render: Render) -> None:
    text = render("dns_zone", "zone.j2", dns_zone_domain=DOMAIN, dns_zone_address=ADDRESSES[0])
    assert values(text, f"*.{DOMAIN}", "A") == {ADDRESSES[0]}
    assert values(text, f"*.{DOMAIN}", "AAAA") == set()


def test_a_workstations_name_has_an_address_and_its_challenge_leads_to_the_one_record(render: Render) -> None:
    theirs = [
        {"host": "desk", "names": [f"ws1.{DOMAIN}", "ws1.example.net"], "addresses": []},
        {"host": "lab", "names": [f"ws2.{DOMAIN}"], "addresses": ["192.0.2.7"]},
    ]
    site = {"dns_zone_domain": DOMAIN, "dns_zone_address": ADDRESSES, "dns_zone_workstations": theirs}
    text = render("dns_zone", "zone.j2", **site, dns_zone_workstation_challenge=DOMAIN)
    assert values(text, f"ws1.{DOMAIN}", "A") == {ADDRESSES[0]}
    assert values(text, f"ws1.{DOMAIN}", "AAAA") == {ADDRESSES[1]}
    assert values(text, f"ws2.{DOMAIN}", "A") == {"192.0.2.7"}
    for name in ("ws1", "ws2"):
        assert values(text, f"_acme-challenge.{name}.{DOMAIN}", "CNAME") == {f"_acme-challenge.{DOMAIN}."}
    assert "example.net" not in text
    assert "CNAME" not in render("dns_zone", "zone.j2", **site)


def test_the_challenge_is_handed_to_a_zone_of_its_own(text: str, render: Render) -> None:
    assert values(text, f"_acme-challenge.{DOMAIN}", "NS") == {f"ns.{DOMAIN}."}
    child = render("dns_zone", "challenge.zone.j2", dns_zone_domain=DOMAIN, dns_zone_address=ADDRESSES)
    found = dns.zone.from_text(child, origin=f"_acme-challenge.{DOMAIN}.")
    assert found.get_rdataset("@", "NS")


def test_the_challenge_does_not_depend_on_what_a_site_may_change(render: Render) -> None:
    site = {"dns_zone_domain": DOMAIN, "dns_zone_address": ADDRESSES, "__dns_zone_new_serial": 7}
    other = {"dns_zone_address": "203.0.113.99", "dns_zone_name_servers": ["ns1.example.org"], "dns_zone_ttl": 5}
    first = render("dns_zone", "challenge.zone.j2", **site)
    assert render("dns_zone", "challenge.zone.j2", **{**site, **other}) == first


def test_name_servers_inside_and_outside_the_zone(render: Render) -> None:
    text = render(
        "dns_zone",
        "zone.j2",
        dns_zone_domain=DOMAIN,
        dns_zone_address=ADDRESSES,
        dns_zone_name_servers=[f"dns.{DOMAIN}", "ns1.example.org"],
        dns_zone_name_server_address="203.0.113.53",
    )
    assert values(text, DOMAIN, "NS") == {f"dns.{DOMAIN}.", "ns1.example.org."}
    assert values(text, f"dns.{DOMAIN}", "A") == {"203.0.113.53"}
    assert values(text, f"ns.{DOMAIN}", "A") == {"203.0.113.53"}
    assert zone(text).get_rdataset("ns1.example.org.", "A") is None


def test_secondaries_are_name_servers_and_the_challenge_does_not_wait_for_them(render: Render) -> None:
    inside = {"name": f"ns2.{DOMAIN}", "addresses": ["203.0.113.53", "2001:db8::53"]}
    others = [inside, {"name": "ns3.example.net", "addresses": ["203.0.113.54"]}]
    site = {"dns_zone_domain": DOMAIN, "dns_zone_address": ADDRESSES, "dns_zone_secondaries": others}
    text = render("dns_zone", "zone.j2", **site)
    assert values(text, DOMAIN, "NS") == {f"ns.{DOMAIN}.", f"ns2.{DOMAIN}.", "ns3.example.net."}
    assert values(text, f"ns2.{DOMAIN}", "AAAA") == {"2001:db8::53"}
    assert values(text, f"_acme-challenge.{DOMAIN}", "NS") == {f"ns.{DOMAIN}."}
    assert render("dns_zone", "named.conf.j2", **site).count("203.0.113.54 key lightship-transfer;") == 2


def test_a_contact_with_a_dot_stays_one_mailbox(render: Render) -> None:
    text = render(
        "dns_zone", "zone.j2", dns_zone_domain=DOMAIN, dns_zone_address=ADDRESSES, dns_zone_contact="jo.doe@example.org"
    )
    assert zone(text).get_soa().rname.labels[0] == b"jo.doe"


def test_no_issuers_means_no_restriction(render: Render) -> None:
    text = render("dns_zone", "zone.j2", dns_zone_domain=DOMAIN, dns_zone_address=ADDRESSES, dns_zone_caa_issuers=[])
    assert values(text, DOMAIN, "CAA") == set()


def caa(render: Render, **site: object) -> set[str]:
    """Return the CAA records of a site."""
    text = render("dns_zone", "zone.j2", dns_zone_domain=DOMAIN, dns_zone_address=ADDRESSES, **site)
    return values(text, DOMAIN, "CAA")


def registrations(*uris: str) -> dict[str, object]:
    """Return the variable that holds what certbot wrote about accounts."""
    texts = [json.dumps({"body": {}, "uri": uri}) for uri in uris]
    return {"results": [{"content": base64.b64encode(text.encode()).decode()} for text in texts]}


def test_an_authority_is_bound_to_accounts_and_to_a_way_of_proof(render: Render) -> None:
    uris = ["https://acme.example.org/acct/1", "https://acme.example.org/acct/2"]
    site = {"dns_zone_caa_account_uris": uris, "dns_zone_caa_validation_methods": ["dns-01"]}
    assert caa(render, **site) == {
        f'0 issue "letsencrypt.org; accounturi={uri}; validationmethods=dns-01"' for uri in uris
    }


def test_an_authority_with_an_account_of_its_own_keeps_it(render: Render) -> None:
    own = "harica.gr; accounturi=https://acme.harica.gr/acct/3; validationmethods=http-01"
    site = {
        "dns_zone_caa_issuers": ["letsencrypt.org", own],
        "dns_zone_caa_account_uris": [ACCOUNT],
        "dns_zone_caa_validation_methods": ["dns-01"],
    }
    assert caa(render, **site) == {
        f'0 issue "letsencrypt.org; accounturi={ACCOUNT}; validationmethods=dns-01"',
        f'0 issue "{own}"',
    }


def test_this_hosts_account_counts_only_where_the_site_wants_that(render: Render) -> None:
    known = {"__dns_zone_registrations": registrations(ACCOUNT)}
    assert caa(render, **known) == {'0 issue "letsencrypt.org"'}
    assert caa(render, **known, dns_zone_caa_own_account=True) == {f'0 issue "letsencrypt.org; accounturi={ACCOUNT}"'}
    assert caa(render, dns_zone_caa_own_account=True) == {'0 issue "letsencrypt.org"'}


@pytest.mark.parametrize(
    "uri",
    [
        "http://acme.example.org/1",
        "https://acme.example.org",
        "https://acme.example.org/1; validationmethods=http-01",
        'https://acme.example.org/1"',
        "https://acme.example.org/1\n* IN A 192.0.2.66",
        "https://acme.example.org/1 ",
        "123456789",
        "",
    ],
)
def test_what_is_no_address_of_an_account(uri: str) -> None:
    assert filter_loader.get("not_account_uris").j2_function([uri, ACCOUNT]) == [uri]
    assert filter_loader.get("account_uris").j2_function([json.dumps({"uri": uri})]) == []


@pytest.mark.parametrize(
    ("server", "folder"),
    [
        ("staging", "acme-staging-v02.api.letsencrypt.org/directory"),
        ("production", "acme-v02.api.letsencrypt.org/directory"),
        ("https://acme.example.org:14000/dir", "acme.example.org:14000/dir"),
    ],
)
def test_accounts_are_those_at_the_authority_of_this_run(server: str, folder: str) -> None:
    found = role_templates.value("dns_zone", "__dns_zone_accounts", dns_zone_acme_server=server)
    assert found == f"/etc/letsencrypt/accounts/{folder}"


FOLDER = "/var/lib/bind/lightship/keys"
# As dnssec-dsfromkey prints them.
LINES = [f"{DOMAIN}. IN DS 1 13 2 {'AB' * 32}", f"_acme-challenge.{DOMAIN}. IN DS 2 13 2 {'CD' * 32}"]


def with_keys(*retired: str) -> dict[str, Any]:
    """Return the variables of a host with a key for each zone, of which some sign no more."""
    paths = [f"{FOLDER}/K{DOMAIN}.+013+00001.state", f"{FOLDER}/K_acme-challenge.{DOMAIN}.+013+00002.state"]
    return {
        "dns_zone_domain": DOMAIN,
        "dns_zone_address": ADDRESSES[0],
        "__dns_zone_found_keys": {"files": [{"path": path} for path in paths]},
        "__dns_zone_retired_keys": {"files": [{"path": path} for path in paths if path in retired]},
        "__dns_zone_ds_lines": {"results": [{"stdout": line} for line in LINES]},
    }


def test_a_signed_zone_has_the_ds_record_of_the_challenge_and_not_its_own(render: Render, text: str) -> None:
    signed = render("dns_zone", "zone.j2", **with_keys(), dns_zone_dnssec=True)
    assert values(signed, f"_acme-challenge.{DOMAIN}", "DS") == {f"2 13 2 {'cd' * 32}"}
    assert values(signed, DOMAIN, "DS") == values(text, f"_acme-challenge.{DOMAIN}", "DS") == set()
    told = json.loads(render("dns_zone", "delegation.json.j2", **with_keys(), dns_zone_dnssec=True))
    assert (told["signed"], told["ds"]) == (True, [f"1 13 2 {'AB' * 32}"])


def test_where_signing_begins_or_ends_the_zone_has_a_new_serial(render: Render) -> None:
    texts = {
        render("dns_zone", "zone.j2", **variables, **earlier("")).split("; content ")[1].split()[0]
        for variables in (
            {**with_keys(), "dns_zone_dnssec": True, "__dns_zone_ds_lines": {}},
            with_keys(),
            {"dns_zone_domain": DOMAIN, "dns_zone_address": ADDRESSES[0]},
        )
    }
    assert len(texts) == 3


def test_bind_looks_after_the_end_of_signing_while_there_are_keys(render: Render) -> None:
    site = {"dns_zone_domain": DOMAIN, "dns_zone_address": ADDRESSES[0]}
    never = render("dns_zone", "named.conf.j2", **site)
    assert "dnssec-policy" not in never
    assert f'file "/etc/bind/lightship/{DOMAIN}.zone";' in never
    ending = render("dns_zone", "named.conf.j2", **with_keys())
    assert ending.count("dnssec-policy insecure;") == 2
    assert "ExecStartPre" not in render("dns_zone", "unit.conf.j2", **site)
    assert f"/{DOMAIN}.zone.jnl\n" in render("dns_zone", "unit.conf.j2", **with_keys())
    signed = render("dns_zone", "named.conf.j2", **with_keys(), dns_zone_dnssec=True)
    # The challenge's zone is changed while it is signed.
    assert (signed.count("inline-signing yes;"), signed.count("inline-signing no;")) == (1, 1)
    assert signed.count("dnssec-policy lightship;") == 2
    assert signed.count(f'file "/var/lib/bind/lightship/{DOMAIN}.zone";') == 1


def test_a_key_that_signs_no_more_is_no_key_to_sign_with() -> None:
    host: dict[str, Any] = with_keys(f"{FOLDER}/K{DOMAIN}.+013+00001.state")
    usable = role_templates.value("dns_zone", "__dns_zone_usable_states", family="Debian", **host)
    assert usable == [f"{FOLDER}/K_acme-challenge.{DOMAIN}.+013+00002.state"]
    assert role_templates.value("dns_zone", "__dns_zone_keyless", family="Debian", **host) == []
    without = {**host, "__dns_zone_found_keys": {}, "__dns_zone_retired_keys": {}}
    found = role_templates.value("dns_zone", "__dns_zone_keyless", family="Debian", **without)
    assert found == [DOMAIN, f"_acme-challenge.{DOMAIN}"]


def test_the_parent_is_expected_to_have_each_server_and_the_addresses_within_the_zone(render: Render) -> None:
    others = [{"name": f"ns2.{DOMAIN}", "addresses": ["203.0.113.53"]}]
    others += [{"name": "ns3.example.net", "addresses": ["2001:DB8::54"]}]
    names = [f"ns.{DOMAIN}", "ns1.example.org"]
    site = {"dns_zone_domain": DOMAIN, "dns_zone_address": ADDRESSES, "dns_zone_secondaries": others}
    told = json.loads(render("dns_zone", "delegation.json.j2", **site, dns_zone_name_servers=names))
    assert told["servers"] == {
        f"ns.{DOMAIN}": ADDRESSES,
        "ns1.example.org": [],
        f"ns2.{DOMAIN}": ["203.0.113.53"],
        "ns3.example.net": ["2001:db8::54"],
    }


def test_the_serial_stays_while_the_zone_does(text: str, render: Render) -> None:
    old = text.replace(str(serial(text)), "1234567890")
    again = render("dns_zone", "zone.j2", dns_zone_domain=DOMAIN, dns_zone_address=ADDRESSES, **earlier(old))
    assert again == old


def test_the_serial_grows_with_the_zone_even_past_the_clock(text: str, render: Render) -> None:
    future = int(time.time()) + 100_000
    old = text.replace(str(serial(text)), str(future))
    new = render("dns_zone", "zone.j2", dns_zone_domain=DOMAIN, dns_zone_address=ADDRESSES[0], **earlier(old))
    assert serial(new) == future + 1


def earlier(text: str) -> dict[str, object]:
    """Return the variable that holds the zone of an earlier run."""
    return {"__dns_zone_old": {"content": base64.b64encode(text.encode()).decode()}}
