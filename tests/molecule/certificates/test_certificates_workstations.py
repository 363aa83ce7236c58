"""Certificates for keys that the proxy never sees: issued for a request, renewed by the timer, handed to everybody."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from cryptography import x509
from testinfra.host import Host

from support import bed
from support.certificates_host import (
    ADDRESS,
    DOMAIN,
    NEWS,
    SERVICE,
    TAKE,
    VARIABLES,
    WORKSTATION,
    handed_out,
    request_of_workstation,
)
from support.deploy import deploy

testinfra_hosts = ["ssh://proxy13"]

WORKSTATIONS = [{"host": "work", "names": [WORKSTATION], "addresses": []}]
THEIRS: dict[str, object] = {**VARIABLES, "certificates_workstations": WORKSTATIONS}
ZONE: dict[str, object] = {
    "dns_zone_domain": DOMAIN,
    "dns_zone_address": ADDRESS,
    "dns_zone_workstations": WORKSTATIONS,
    "dns_zone_workstation_challenge": DOMAIN,
}
UNIT = "lightship-workstation-certificates"
KEPT = f"/etc/letsencrypt/lightship/workstations/{WORKSTATION}"
FAILURE = f"/run/{UNIT}/{WORKSTATION}.json"
REVOKE = (
    "REQUESTS_CA_BUNDLE=/etc/letsencrypt/lightship/acme-ca.pem /opt/certbot/bin/certbot revoke "
    "--no-delete-after-revoke --config /etc/letsencrypt/lightship/certbot.ini --cert-path /run/revoked.pem"
)


@pytest.fixture(scope="module")
def site(host: Host, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A site with one workstation; afterwards with none."""
    folder = tmp_path_factory.mktemp("workstations")
    assert deploy("dns_zone", "proxy13", folder, **ZONE) > 0
    assert deploy("certificates", "proxy13", folder, **THEIRS) > 0
    yield
    deploy("certificates", "proxy13", folder, **VARIABLES)
    assert not host.file(f"/etc/systemd/system/{UNIT}.service").exists
    assert not host.file(KEPT).exists


@pytest.fixture(scope="module")
def request_and_key(site: None) -> tuple[str, Any]:  # noqa: ARG001
    """What the workstation made, and whose certificate the proxy has."""
    pem, key = request_of_workstation()
    said = bed.run("proxy13", TAKE, text=pem).stdout
    assert f"A certificate of {WORKSTATION} was issued, for there is none yet." in said
    return pem, key


@contextmanager
def authority_away(host: Host) -> Iterator[None]:
    """Lead the host astray: Pebble itself would have forgotten every account after a restart."""
    host.check_output("cp /etc/hosts /run/hosts && echo '127.0.0.1 acme' | cat - /run/hosts >/etc/hosts")
    try:
        yield
    finally:
        host.check_output("cat /run/hosts >/etc/hosts && rm /run/hosts")


def test_it_is_for_the_workstations_key_and_name_alone(host: Host, request_and_key: tuple[str, Any]) -> None:
    pem, key = request_and_key
    certificate = handed_out(host)
    assert certificate.public_key() == key.public_key()
    assert "Pebble" in certificate.issuer.rfc4514_string()
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == [WORKSTATION]
    # The same request again asks the authority for nothing.
    said = bed.run("proxy13", TAKE, text=pem).stdout
    assert "is the one before" in said
    assert f"No certificate of {WORKSTATION} is due." in said
    assert handed_out(host) == certificate


@pytest.mark.usefixtures("request_and_key")
def test_the_timers_service_replaces_one_that_the_authority_took_back(host: Host) -> None:
    before = handed_out(host)
    chain = json.loads(host.check_output(f"cat {KEPT}/certificate.json"))["chain"]
    bed.run("proxy13", "cat >/run/revoked.pem", text=chain)
    host.check_output(f"{REVOKE} && rm /run/revoked.pem")
    # Theirs are renewed after the domain's, of which none is due.
    host.check_output(f"systemctl start {SERVICE}")
    bed.eventually(lambda: handed_out(host) != before, "it is not replaced")
    bed.eventually(lambda: not host.service(UNIT).is_running, "the service does not end")
    assert host.check_output(f"systemctl show --value --property=Result {UNIT}") == "success"
    assert handed_out(host).public_key() == before.public_key()


@pytest.mark.usefixtures("request_and_key")
def test_a_failure_keeps_the_old_one_and_names_the_workstation(host: Host) -> None:
    before = handed_out(host)
    host.check_output(f"rm -f {NEWS['failure']}")
    # As if another authority had issued it, so that another one is due.
    host.check_output(f"sed -i 's#https://acme:14000/dir#https://acme:14000/other#' {KEPT}/certificate.json")
    with authority_away(host):
        assert host.run(f"systemctl start {UNIT}").failed
    told = json.loads(host.check_output(f"cat {FAILURE}"))
    assert told["reason"] == "authority-unreachable"
    assert handed_out(host) == before
    # systemd tells the site in a unit of its own.
    bed.eventually(
        lambda: f"{WORKSTATION}: The authority cannot be reached" in host.run(f"cat {NEWS['failure']}").stdout,
        "the site is not told",
    )
    host.check_output(f"systemctl start {UNIT}")
    assert not host.file(FAILURE).exists
    assert handed_out(host) != before


@pytest.mark.usefixtures("request_and_key")
def test_only_root_reads_the_requests_and_everybody_the_certificates(host: Host) -> None:
    assert host.run(f"runuser -u nobody -- ls {KEPT}").failed
    assert WORKSTATION in host.check_output("runuser -u nobody -- cat /usr/local/share/lightship/certificates.json")


@pytest.mark.usefixtures("site")
def test_a_name_that_the_inventory_does_not_allot_is_refused() -> None:
    done = bed.run("proxy13", re.sub("ws1", "ws2", TAKE), check=False, text=request_of_workstation()[0])
    assert done.returncode == 1
    assert f"The inventory allots ws2.{DOMAIN} to no workstation." in done.stderr
