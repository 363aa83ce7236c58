"""Authorities of other kinds: one wants a contract (EAB) and gives certificates for a minute; one offers profiles."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from testinfra.host import Host

from support import bed
from support.certificates_host import DOMAIN, LIVE, SERVICE, VARIABLES, issued, shown
from support.deploy import RENEW, deploy
from support.second_authority import DIRECTORY, second_authority

testinfra_hosts = ["ssh://proxy13"]

LIFE_SECONDS = 60
CONTRACT = ("contract-7", "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W")
KEYS = ("certificates_eab_key_id", "certificates_eab_hmac_key")
THEIRS: dict[str, object] = {**VARIABLES, "certificates_ca": DIRECTORY}
# As Let's Encrypt names them, each with a life of its own, in seconds.
PROFILES = {"classic": 90 * 86400, "tlsserver": 45 * 86400, "shortlived": 160 * 3600}


def lasts(host: Host) -> int:
    """Return for how many seconds the certificate in place is valid; its last second counts."""
    certificate = x509.load_pem_x509_certificate(host.check_output(f"cat {LIVE}/cert.pem").encode())
    return round((certificate.not_valid_after_utc - certificate.not_valid_before_utc).total_seconds()) + 1


@pytest.fixture(scope="module")
def authority(host: Host) -> Iterator[None]:
    """It knows one contract."""
    bound: dict[str, Any] = {
        "externalAccountBindingRequired": True,
        "externalAccountMACKeys": dict([CONTRACT]),
        "certificateValidityPeriod": LIFE_SECONDS,
    }
    with second_authority(host, **bound):
        yield


@pytest.fixture
def ours_again(tmp_path: Path) -> Iterator[None]:
    """Put the certificate of the bed's own authority back."""
    yield
    deploy("certificates", "proxy13", tmp_path, **VARIABLES)


@pytest.mark.usefixtures("web_server", "authority")
def test_a_contract_that_the_authority_does_not_know_changes_nothing(host: Host, tmp_path: Path) -> None:
    before = issued(host)
    unknown = dict(zip(KEYS, ("contract-8", CONTRACT[1]), strict=True))
    with pytest.raises(AssertionError, match="references a key that is not known"):
        deploy("certificates", "proxy13", tmp_path, **THEIRS, **unknown)
    assert issued(host) == shown() == before


@pytest.mark.usefixtures("web_server", "authority", "ours_again")
def test_a_certificate_for_a_minute_is_renewed_by_what_the_timer_starts(host: Host, tmp_path: Path) -> None:
    assert deploy("certificates", "proxy13", tmp_path, **THEIRS, **dict(zip(KEYS, CONTRACT, strict=True))) > 0
    first = issued(host)
    assert lasts(host) <= LIFE_SECONDS + 1
    assert first == shown()

    def renewed() -> bool:
        # Less often than systemd refuses.
        host.check_output(f"sleep 5 && systemctl start {SERVICE}")
        return issued(host) != first

    bed.eventually(renewed, "it is not renewed", 2 * LIFE_SECONDS)
    assert shown() == issued(host)


@pytest.mark.usefixtures("web_server", "ours_again")
def test_each_profile_of_the_authority(host: Host, tmp_path: Path) -> None:
    offered = {name: {"description": name, "validityPeriod": life} for name, life in PROFILES.items()}
    with second_authority(host, profiles=offered):
        before = issued(host)
        said = "has only: classic, shortlived, tlsserver. Set it to one of these"
        with pytest.raises(AssertionError, match=said):
            deploy("certificates", "proxy13", tmp_path, **THEIRS, certificates_profile="shortlive")
        assert issued(host) == shown() == before
        for name, life in PROFILES.items():
            wanted = {**THEIRS, "certificates_profile": name}
            deploy("certificates", "proxy13", tmp_path, **wanted)
            host.check_output(RENEW + DOMAIN)
            assert lasts(host) == life
            assert issued(host) == shown()
