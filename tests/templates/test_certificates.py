"""What certbot and the hook are told."""

from __future__ import annotations

import base64
import configparser
import shlex
from collections.abc import Callable

import pytest

Render = Callable[..., str]

DOMAIN = "notebooks.example.org"
KEY = 'key "lightship-acme" {\n\talgorithm hmac-sha512;\n\tsecret "c2VjcmV0+/==";\n};\n'


def settings(text: str) -> configparser.SectionProxy:
    """Return settings without a section, as certbot reads them."""
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string(f"[all]\n{text}")
    return parser["all"]


@pytest.mark.parametrize(
    ("ca", "server"),
    [
        ("staging", "https://acme-staging-v02.api.letsencrypt.org/directory"),
        ("production", "https://acme-v02.api.letsencrypt.org/directory"),
        ("https://acme.example.org/dir", "https://acme.example.org/dir"),
    ],
)
def test_the_authority(render: Render, ca: str, server: str) -> None:
    text = render("certificates", "certbot.ini.j2", certificates_domain=DOMAIN, certificates_ca=ca)
    assert settings(text)["server"] == server


def test_a_trial_is_the_default(render: Render) -> None:
    assert "staging" in settings(render("certificates", "certbot.ini.j2", certificates_domain=DOMAIN))["server"]


def test_the_account_is_bound_when_the_site_says_so(render: Render) -> None:
    bound = {"certificates_eab_key_id": "kid-1", "certificates_eab_hmac_key": "aGVsbG8"}
    found = settings(render("certificates", "certbot.ini.j2", certificates_domain=DOMAIN, **bound))
    assert (found["eab-kid"], found["eab-hmac-key"]) == ("kid-1", "aGVsbG8")
    assert "eab-kid" not in settings(render("certificates", "certbot.ini.j2", certificates_domain=DOMAIN))


def test_the_kind_of_certificate_is_the_authoritys_if_the_site_names_none(render: Render) -> None:
    named = render("certificates", "certbot.ini.j2", certificates_domain=DOMAIN, certificates_profile="shortlived")
    assert settings(named)["preferred-profile"] == "shortlived"
    assert "preferred-profile" not in settings(render("certificates", "certbot.ini.j2", certificates_domain=DOMAIN))


def test_the_key_comes_from_the_host(render: Render) -> None:
    content = base64.b64encode(KEY.encode()).decode()
    text = render("certificates", "rfc2136.ini.j2", certificates_domain=DOMAIN, __certificates_key={"content": content})
    assert settings(text)["dns_rfc2136_secret"] == "c2VjcmV0+/=="
    assert settings(text)["dns_rfc2136_algorithm"] == "HMAC-SHA512"


def test_the_key_of_the_inventory_comes_first(render: Render) -> None:
    content = base64.b64encode(KEY.encode()).decode()
    text = render(
        "certificates",
        "rfc2136.ini.j2",
        certificates_domain=DOMAIN,
        certificates_rfc2136_secret="aW52ZW50b3J5",
        __certificates_key={"content": content},
    )
    assert settings(text)["dns_rfc2136_secret"] == "aW52ZW50b3J5"


def test_the_command_that_tests_the_web_server_keeps_its_words(render: Render) -> None:
    words = ["nginx", "-t", "-c", "/etc/my nginx/50%.conf"]
    text = render("certificates", "deployed.ini.j2", certificates_domain=DOMAIN, certificates_web_server_test=words)
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string(text)
    assert shlex.split(parser["deployed"]["test"]) == words


def test_for_a_given_certificate_nobody_asks_an_authority(render: Render) -> None:
    given = {"certificates_domain": DOMAIN, "certificates_provider": "given"}
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string(render("certificates", "deployed.ini.j2", **given))
    told = parser["deployed"]
    assert told["lineage"] == f"/etc/letsencrypt/lightship/given/live/{DOMAIN}"
    assert "certbot" not in told
    unit = render("certificates", "lightship-certificates.service.j2", **given)
    assert [line for line in unit.splitlines() if line.startswith("ExecStart=")] == [
        "ExecStart=/usr/local/lib/lightship/certificates-deployed"
    ]
    assert f"Description=Check that the certificate of {DOMAIN} is served" in unit
