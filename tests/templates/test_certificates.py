"""What certbot and the hook are told."""

from __future__ import annotations

import base64
import configparser
import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

Render = Callable[..., str]

ROLES = Path(__file__).resolve().parents[2] / "roles"
DOMAIN = "notebooks.example.org"
KEY = 'key "lightship-acme" {\n\talgorithm hmac-sha512;\n\tsecret "c2VjcmV0+/==";\n};\n'


def for_provider(name: str) -> dict[str, str]:
    return {"certificates_domain": DOMAIN, "certificates_dns_provider": name}


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
    text = render("certificates", "credentials.j2", certificates_domain=DOMAIN, __certificates_key={"content": content})
    assert settings(text)["dns_rfc2136_secret"] == "c2VjcmV0+/=="
    assert settings(text)["dns_rfc2136_algorithm"] == "HMAC-SHA512"


def test_the_key_of_the_inventory_comes_first(render: Render) -> None:
    content = base64.b64encode(KEY.encode()).decode()
    text = render(
        "certificates",
        "credentials.j2",
        certificates_domain=DOMAIN,
        certificates_rfc2136_secret="aW52ZW50b3J5",
        __certificates_key={"content": content},
    )
    assert settings(text)["dns_rfc2136_secret"] == "aW52ZW50b3J5"


@pytest.mark.parametrize(
    ("provider", "credentials", "lines"),
    [
        ("cloudflare", {"dns_cloudflare_api_token": "t0ken"}, ["dns_cloudflare_api_token = t0ken"]),
        ("infomaniak", {"dns_infomaniak_token": 7}, ["dns_infomaniak_token = 7"]),
        ("route53", {"aws_secret_access_key": "s3cret"}, ["[default]", "aws_secret_access_key = s3cret"]),
    ],
)
def test_the_credentials_have_the_form_that_the_plugin_reads(
    render: Render, provider: str, credentials: dict[str, object], lines: list[str]
) -> None:
    text = render("certificates", "credentials.j2", **for_provider(provider), certificates_dns_credentials=credentials)
    assert [line for line in text.splitlines() if line and not line.startswith("#")] == lines


def test_the_credentials_of_google_are_its_own_json(render: Render) -> None:
    key = {"type": "service_account", "private_key": "-----BEGIN PRIVATE KEY-----\nab\n"}
    assert (
        json.loads(render("certificates", "credentials.j2", **for_provider("google"), certificates_dns_credentials=key))
        == key
    )


def test_certbot_is_told_of_the_provider(render: Render) -> None:
    found = settings(render("certificates", "certbot.ini.j2", **for_provider("cloudflare")))
    assert found["authenticator"] == "dns-cloudflare"
    assert found["dns-cloudflare-credentials"] == "/etc/letsencrypt/lightship/cloudflare.ini"
    assert found["dns-cloudflare-propagation-seconds"] == "120"


def test_amazon_is_told_by_the_environment(render: Render) -> None:
    text = render("certificates", "certbot.ini.j2", **for_provider("route53"))
    assert "route53-" not in text
    assert settings(text)["authenticator"] == "dns-route53"
    named = "AWS_SHARED_CREDENTIALS_FILE=/etc/letsencrypt/lightship/route53.ini"
    assert f"Environment={named}" in render(
        "certificates", "lightship-certificates.service.j2", **for_provider("route53")
    )
    assert f"environment = {named}" in render("certificates", "deployed.ini.j2", **for_provider("route53"))


def test_a_script_of_the_site_writes_the_challenge(render: Render) -> None:
    found = settings(render("certificates", "certbot.ini.j2", **for_provider("hook"), certificates_dns_hook="my.sh"))
    assert (found["authenticator"], found["preferred-challenges"]) == ("manual", "dns")
    assert found["manual-auth-hook"] == "/etc/letsencrypt/lightship/dns-hook set"
    assert found["manual-cleanup-hook"] == "/etc/letsencrypt/lightship/dns-hook remove"


def test_another_domain_takes_the_challenge(render: Render) -> None:
    found = settings(
        render(
            "certificates", "certbot.ini.j2", **for_provider("desec"), certificates_challenge_domain="acme.example.org"
        )
    )
    assert found["authenticator"] == "lightship-challenge"
    assert (found["lightship-challenge-writer"], found["lightship-challenge-domain"]) == (
        "dns-desec",
        "acme.example.org",
    )
    assert found["dns-desec-credentials"] == "/etc/letsencrypt/lightship/desec.ini"


def packages(path: Path) -> dict[str, str]:
    return dict(re.findall(r"(?m)^([a-z0-9][a-z0-9._-]*)==([^ ;]+)", path.read_text()))


@pytest.mark.parametrize("lock", sorted((ROLES / "certificates/files/dns").iterdir()), ids=lambda path: str(path.stem))
def test_a_plugin_adds_to_certbot_and_changes_nothing_of_it(lock: Path) -> None:
    own = packages(ROLES / "certificates/files/requirements.txt")
    added = packages(lock)
    assert f"certbot-dns-{lock.stem}" in added
    assert not set(own) & set(added)
    # certbot's own plugins come with each of its releases.
    assert added[f"certbot-dns-{lock.stem}"] == own["certbot"] or lock.stem == "desec"


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


def test_the_workstations_are_told_to_the_programs_and_their_challenges_are_handed_on(render: Render) -> None:
    theirs = [{"host": "desk", "names": [f"ws1.{DOMAIN}", "ws1.example.net"]}]
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string(
        render("certificates", "deployed.ini.j2", certificates_domain=DOMAIN, certificates_workstations=theirs)
    )
    assert dict(parser["workstations"]) == {f"ws1.{DOMAIN}": f"ws1.{DOMAIN} ws1.example.net"}
    assert shlex.split(parser["deployed"]["workstation_challenge"]) == [
        *("--authenticator", "lightship-challenge", "--lightship-challenge-writer", "dns-rfc2136"),
        *("--lightship-challenge-domain", DOMAIN),
    ]
    unit = render(
        "certificates",
        "lightship-certificates.service.j2",
        certificates_domain=DOMAIN,
        certificates_workstations=theirs,
    )
    assert "\nWants=lightship-workstation-certificates.service\n" in unit
    assert "\nProtectSystem=strict\n" in unit


def test_a_provider_of_the_dns_is_given_the_workstations_challenges_as_they_come(render: Render) -> None:
    theirs = [{"host": "desk", "names": [f"ws1.{DOMAIN}"]}]
    text = render("certificates", "deployed.ini.j2", **for_provider("desec"), certificates_workstations=theirs)
    assert "\nworkstation_challenge = \n" in text


def test_without_workstations_nothing_is_said_of_them(render: Render) -> None:
    text = render("certificates", "deployed.ini.j2", certificates_domain=DOMAIN)
    unit = render("certificates", "lightship-certificates.service.j2", certificates_domain=DOMAIN)
    assert "workstation" not in text + unit
