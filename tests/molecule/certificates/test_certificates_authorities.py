"""Authorities of other kinds: one wants a contract (EAB) and gives certificates for a minute; one offers profiles."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from testinfra.host import Host

from support import bed
from support.certificates_host import DOMAIN, LIVE, SERVICE, VARIABLES, issued, shown
from support.deploy import RENEW, deploy
from support.second_authority import DIRECTORY, second_authority, suggest_renewal

testinfra_hosts = ["ssh://proxy13"]

LIFE_SECONDS = 60
CONTRACT = ("contract-7", "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W")
BOUND: dict[str, object] = {
    **VARIABLES,
    "certificates_ca": DIRECTORY,
    "certificates_eab_key_id": CONTRACT[0],
    "certificates_eab_hmac_key": CONTRACT[1],
}
CERTBOT_SETTINGS = "/etc/letsencrypt/lightship/certbot.ini"
# The authority's profiles, each with its life in seconds.
LETS_ENCRYPT = {"classic": 90 * 86400, "tlsserver": 45 * 86400, "shortlived": 160 * 3600}
PROFILES = {**LETS_ENCRYPT, "minute": LIFE_SECONDS}


def in_place(host: Host) -> str:
    """Return the certificate in place."""
    return str(host.check_output(f"cat {LIVE}/cert.pem"))


def lasts(host: Host) -> int:
    """Return for how many seconds the certificate in place is valid; its last second counts."""
    certificate = x509.load_pem_x509_certificate(in_place(host).encode())
    return round((certificate.not_valid_after_utc - certificate.not_valid_before_utc).total_seconds()) + 1


@pytest.fixture(scope="module", autouse=True)
def authority(host: Host, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """It knows one contract. Afterwards the certificate of the bed's own authority is put back."""
    profiles = {name: {"description": name, "validityPeriod": life} for name, life in PROFILES.items()}
    bound: dict[str, Any] = {
        "externalAccountBindingRequired": True,
        "externalAccountMACKeys": dict([CONTRACT]),
        "profiles": profiles,
    }
    with second_authority(host, **bound):
        yield
    deploy("certificates", "proxy13", tmp_path_factory.mktemp("ours"), **VARIABLES)


@pytest.mark.usefixtures("web_server")
def test_a_contract_that_the_authority_does_not_know_changes_nothing(host: Host, tmp_path: Path) -> None:
    before = issued(host)
    unknown = {**BOUND, "certificates_eab_key_id": "contract-8"}
    with pytest.raises(AssertionError, match="references a key that is not known"):
        deploy("certificates", "proxy13", tmp_path, **unknown)
    assert issued(host) == shown() == before


@pytest.mark.usefixtures("web_server")
def test_a_certificate_for_a_minute_is_renewed_by_what_the_timer_starts(host: Host, tmp_path: Path) -> None:
    assert deploy("certificates", "proxy13", tmp_path, **BOUND, certificates_profile="minute") > 0
    first = issued(host)
    assert lasts(host) <= LIFE_SECONDS + 1
    assert first == shown()

    def renewed() -> bool:
        # Less often than systemd refuses.
        host.check_output(f"sleep 5 && systemctl start {SERVICE}")
        return issued(host) != first

    bed.eventually(renewed, "it is not renewed", 2 * LIFE_SECONDS)
    assert shown() == issued(host)


@pytest.mark.usefixtures("web_server")
def test_each_profile_and_a_renewal_that_the_authority_asks_for(host: Host, tmp_path: Path) -> None:
    before = issued(host)
    with pytest.raises(AssertionError, match="has only: classic, minute, shortlived, tlsserver"):
        deploy("certificates", "proxy13", tmp_path, **BOUND, certificates_profile="shortlive")
    assert issued(host) == shown() == before
    deploy("certificates", "proxy13", tmp_path, **BOUND, certificates_profile="classic")
    for name, life in LETS_ENCRYPT.items():
        # The one line that a deployment would change.
        host.check_output(f"sed -i 's/^preferred-profile = .*/preferred-profile = {name}/' {CERTBOT_SETTINGS}")
        host.check_output(RENEW + DOMAIN)
        assert lasts(host) == life
        assert issued(host) == shown()

    # Long before its time by the clock, because the authority says so (ARI). certbot asks it only now and then.
    host.check_output(f"sed -i '/^ari_retry_after = /d' /etc/letsencrypt/renewal/{DOMAIN}.conf")
    last, now = issued(host), datetime.now(tz=UTC)
    suggest_renewal(in_place(host), now - timedelta(hours=2), now - timedelta(hours=1))
    host.check_output(f"systemctl start {SERVICE}")
    assert issued(host) == shown() != last
