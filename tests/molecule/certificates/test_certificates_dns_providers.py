"""Who takes the challenge: a plugin of certbot's, a script of the site, and another domain by a CNAME record.

The certificate is the same all the time: another provider means no other certificate, and the next renewal goes by it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from testinfra.host import Host

from support import bed, zone_host
from support.certificates_host import ADDRESS, DOMAIN, SERVICE, VARIABLES, issued, shown
from support.deploy import RENEW, deploy
from support.second_authority import DIRECTORY, second_authority
from support.unbound import PORT, unbound

testinfra_hosts = ["ssh://proxy13"]

SITE = Path(__file__).parent / "site"
SETTINGS = "/etc/letsencrypt/lightship"
HOOK = f"{SETTINGS}/dns-hook"
# As the service does it, before the time.
RENEW_AND_EXPLAIN = (
    f"REQUESTS_CA_BUNDLE={SETTINGS}/acme-ca.pem /usr/local/lib/lightship/certificates-renew -- --force-renewal"
)
DESEC_PORT, DESEC_TOKEN, DESEC = 8053, "i-T3b1h_OI-H9ab8tRS98stGtURe", "/run/desec"
# Its challenge is at a name that refers to the challenge of DOMAIN, whose key the host has.
DELEGATED = f"delegated.{DOMAIN}"
SECRET = r's/.*secret "\(.*\)".*/\1/p'


@pytest.fixture(scope="module")
def authority(host: Host) -> Iterator[None]:
    """Another Pebble, with a resolver like a real one's."""
    with unbound(DOMAIN, ADDRESS), second_authority(host, resolver=f"127.0.0.1:{PORT}"):
        yield


@pytest.fixture(scope="module")
def as_before(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Afterwards the bed's own provider and certificate are in place again."""
    yield
    deploy("certificates", "proxy13", tmp_path_factory.mktemp("before"), **VARIABLES)


@pytest.fixture
def without_records(host: Host, tmp_path: Path) -> Iterator[None]:
    """Afterwards the zone has no record of the test's, and the host no certificate that needs it."""
    yield
    host.run(f"/opt/certbot/bin/certbot delete --non-interactive --cert-name {DELEGATED}")
    deploy("dns_zone", "proxy13", tmp_path, **zone_host.VARIABLES)


@pytest.fixture(scope="module")
def desec(host: Host) -> Iterator[None]:
    """The stand-in for deSEC's API."""
    host.check_output(f"mkdir -p {DESEC}")
    for program in SITE.iterdir():
        bed.run("proxy13", f"cat >{DESEC}/{program.name}", text=program.read_text())
    command = f"/opt/certbot/bin/python {DESEC}/desec_stand_in.py {DOMAIN} {DESEC_TOKEN} {DESEC_PORT}"
    host.check_output(f"systemd-run --quiet --unit=desec {command}")
    yield
    host.check_output(f"systemctl stop desec && rm -r {DESEC}")


def with_desec(token: str) -> dict[str, object]:
    endpoint = f"http://127.0.0.1:{DESEC_PORT}/api/v1"
    return {
        **VARIABLES,
        "certificates_dns_provider": "desec",
        "certificates_dns_credentials": {"dns_desec_token": token, "dns_desec_endpoint": endpoint},
    }


@pytest.mark.usefixtures("web_server", "as_before", "desec")
def test_a_plugin_of_certbots_writes_the_challenge(host: Host, tmp_path: Path) -> None:
    before = issued(host)
    deploy("certificates", "proxy13", tmp_path, **with_desec("another"))
    done = host.run(RENEW_AND_EXPLAIN)
    assert done.failed
    assert "The DNS provider did not take the challenge" in done.stderr
    assert "Could not authenticate against deSEC API" in done.stderr
    assert issued(host) == shown() == before

    deploy("certificates", "proxy13", tmp_path, **with_desec(DESEC_TOKEN))
    assert deploy("certificates", "proxy13", tmp_path, **with_desec(DESEC_TOKEN)) == 0
    assert issued(host) == before
    host.check_output(RENEW + DOMAIN)
    assert issued(host) == shown() != before
    host.check_output(f"systemctl start {SERVICE}")
    # Of the credentials of earlier providers none stays on the host, and of these only root reads them.
    assert host.check_output(f"cd {SETTINGS} && ls *.ini").split() == ["certbot.ini", "deployed.ini", "desec.ini"]
    assert host.run(f"runuser -u nobody -- cat {SETTINGS}/desec.ini").failed


@pytest.mark.usefixtures("web_server", "as_before")
def test_a_script_of_the_site_writes_the_challenge(host: Host, tmp_path: Path) -> None:
    before = issued(host)
    own = {"certificates_dns_provider": "hook", "certificates_dns_hook": str(SITE / "write_challenge.py")}
    deploy("certificates", "proxy13", tmp_path, **VARIABLES, **own)
    assert issued(host) == before
    host.check_output(f"mv {HOOK} {HOOK}.whole && printf '#!/bin/sh\\nexit 3\\n' >{HOOK} && chmod 0700 {HOOK}")
    done = host.run(RENEW_AND_EXPLAIN)
    host.check_output(f"mv {HOOK}.whole {HOOK}")
    assert "The script that writes the challenge ended with status 3" in done.stderr
    assert issued(host) == shown() == before
    done = host.run(RENEW + DOMAIN)
    assert done.succeeded, done.stdout + done.stderr
    assert issued(host) == shown() != before
    log = host.check_output("cat /var/log/letsencrypt/letsencrypt.log")
    assert "set by the script of the site" in log
    assert "remove by the script of the site" in log


@pytest.mark.usefixtures("as_before", "authority", "without_records")
def test_another_domain_takes_the_challenge(host: Host, tmp_path: Path) -> None:
    refer = [{"name": "_acme-challenge.delegated", "type": "CNAME", "value": f"_acme-challenge.{DOMAIN}."}]
    variables = {
        **VARIABLES,
        "certificates_ca": DIRECTORY,
        "certificates_domain": DELEGATED,
        "certificates_challenge_domain": DOMAIN,
        "certificates_rfc2136_secret": host.check_output(f"sed -n '{SECRET}' /etc/bind/lightship/acme-update.key"),
    }
    missing = f"(?s)CNAME record from _acme-challenge.{DELEGATED}.*to.*_acme-challenge.{DOMAIN}"
    with pytest.raises(AssertionError, match=missing):
        deploy("certificates", "proxy13", tmp_path, **variables)

    deploy("dns_zone", "proxy13", tmp_path, **zone_host.VARIABLES, dns_zone_records=refer)
    deploy("certificates", "proxy13", tmp_path, **variables)
    live = f"/etc/letsencrypt/live/{DELEGATED}"
    found = x509.load_pem_x509_certificate(host.check_output(f"cat {live}/cert.pem").encode())
    names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert sorted(names.get_values_for_type(x509.DNSName)) == [f"*.{DELEGATED}", DELEGATED]
    assert deploy("certificates", "proxy13", tmp_path, **variables) == 0
