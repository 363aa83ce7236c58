"""What the role refuses before it changes anything."""

from __future__ import annotations

from typing import Any

import pytest

from support.role_templates import refusals

ACCOUNT = "https://acme-v02.api.letsencrypt.org/acme/acct/123456789"
SITE: dict[str, Any] = {"dns_zone_domain": "notebooks.example.org", "dns_zone_address": "203.0.113.10"}

RIGHT: list[dict[str, Any]] = [
    {},
    {"dns_zone_caa_own_account": True, "dns_zone_caa_validation_methods": ["dns-01"]},
    {"dns_zone_caa_account_uris": [ACCOUNT], "dns_zone_caa_validation_methods": ["http-01", "dns-01"]},
    {"dns_zone_caa_issuers": ["letsencrypt.org", f"harica.gr; accounturi={ACCOUNT}"], "dns_zone_caa_own_account": True},
]
SECONDARY = {"name": "ns2.example.net", "addresses": ["203.0.113.53", "2001:db8::53"]}
RIGHT += [
    {
        "dns_zone_secondaries": [SECONDARY],
        "dns_zone_transfer_key_secret": "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
    }
]
RIGHT += [
    {"dns_zone_dnssec": True, "dns_zone_records": [{"name": "mail", "type": "MX", "value": "10 mail"}]},
    {"dns_zone_parent_servers": ["203.0.113.1", "2001:db8::1"]},
    # What counts is what another name server does, which holds the zone now.
    {"dns_zone_provider": "none", "__dns_zone_parent_before": {"answered": True, "ds": ["1 13 2 AB"], "lacks": []}},
]

WRONG: list[tuple[dict[str, Any], str]] = [
    (
        {"dns_zone_caa_account_uris": ["http://acme.example.org/acct/1"]},
        "http://acme.example.org/acct/1. List the https",
    ),
    ({"dns_zone_caa_account_uris": [f"{ACCOUNT}; x=y"]}, "List the https addresses of accounts"),
    ({"dns_zone_caa_account_uris": [ACCOUNT], "dns_zone_caa_issuers": []}, "belong to one authority"),
    (
        {"dns_zone_caa_own_account": True, "dns_zone_caa_issuers": ["letsencrypt.org", "harica.gr"]},
        "harica.gr. List one",
    ),
    ({"dns_zone_caa_validation_methods": ["http-01"]}, 'Set the first to ["dns-01"]'),
    ({"dns_zone_caa_validation_methods": ["dns-01", "DNS 01"]}, 'Set the first to ["dns-01"]'),
    ({"dns_zone_caa_validation_methods": ["dns-01"], "dns_zone_caa_issuers": []}, "the second to the authority"),
    ({"dns_zone_secondaries": [SECONDARY, SECONDARY]}, "Give each a name of its own"),
    ({"dns_zone_secondaries": [SECONDARY | {"name": "ns.notebooks.example.org"}]}, "which is not this host's"),
    ({"dns_zone_secondaries": [SECONDARY | {"name": "ns2.example.net."}]}, "without a dot at its end"),
    ({"dns_zone_secondaries": [SECONDARY | {"addresses": []}]}, "a list of its addresses"),
    ({"dns_zone_secondaries": [SECONDARY | {"addresses": ["any; };"]}]}, "a list of its addresses"),
    ({"dns_zone_transfer_key_secret": "secret"}, "Make one with tsig-keygen"),
    ({"dns_zone_caa_issuers": ['letsencrypt.org"']}, "List the CAA names of the authorities"),
    ({"dns_zone_parent_servers": ["a.example.org"]}, "has a.example.org. List the IPv4 or IPv6 addresses"),
    ({"dns_zone_dnssec": True, "dns_zone_provider": "none"}, "Turn DNSSEC on there"),
    (
        {"dns_zone_dnssec": True, "dns_zone_records": [{"name": "@", "type": "dnskey", "value": "257 3 13 AAAA"}]},
        "has DNSKEY, which BIND writes itself",
    ),
    (
        {"dns_zone_dnssec": False, "__dns_zone_parent_before": {"answered": True, "ds": ["1 13 2 AB"], "lacks": []}},
        "still has the DS record 1 13 2 AB of notebooks.example.org",
    ),
]


@pytest.mark.parametrize("site", RIGHT)
def test_what_is_right_is_not_refused(site: dict[str, Any]) -> None:
    assert refusals("dns_zone", **SITE, **site) == []


@pytest.mark.parametrize(("site", "sentence"), WRONG)
def test_what_is_wrong_is_refused_in_one_sentence(site: dict[str, Any], sentence: str) -> None:
    said = refusals("dns_zone", **SITE, **site)
    assert len(said) == 1
    assert sentence in said[0]
    assert next(iter(site)) in said[0]


def test_accounts_without_this_hosts_own_are_refused() -> None:
    found: dict[str, Any] = {"__dns_zone_own_uris": ["https://acme-v02.api.letsencrypt.org/acme/acct/7"]}
    said = refusals("dns_zone", **SITE, **found, dns_zone_caa_account_uris=[ACCOUNT])
    assert len(said) == 1
    assert "acct/7" in said[0]
    assert (
        refusals("dns_zone", **SITE, **found, dns_zone_caa_account_uris=[ACCOUNT], dns_zone_caa_own_account=True) == []
    )
