"""An authority of the site's own: its root for browsers, and certificates that it renews itself."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterator

import pytest
from cryptography import x509
from testinfra.host import Host

from support import bed
from support.certificates_host import (
    ADDRESS,
    DEPLOYED,
    DOMAIN,
    PORT,
    SERVICE,
    TAKE,
    VARIABLES,
    WORKSTATION,
    handed_out,
    request_of_workstation,
    shown,
    web_server_with,
)
from support.deploy import deploy

testinfra_hosts = ["ssh://proxy13"]

PRIVATE: dict[str, object] = {
    **VARIABLES,
    "certificates_provider": "private",
    "certificates_workstations": [{"host": "work", "names": [WORKSTATION]}],
}
OURS = "/etc/letsencrypt/lightship/private"
LIVE = f"{OURS}/live/{DOMAIN}"
ROOT, KEY = f"{OURS}/root/{DOMAIN}/root.pem", f"{OURS}/root/{DOMAIN}/root.key"
PUBLIC = "/usr/local/share/lightship/authority.pem"
PROGRAM = "/usr/local/lib/lightship/certificates-private"
# As somebody would who got the key of the root.
FORGE = f"""
cd /run && printf 'subjectAltName = DNS:www.example.org' >forged.ext
openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj / -keyout forged.key -out forged.csr
openssl x509 -req -in forged.csr -CA {ROOT} -CAkey {KEY} -days 1 -extfile forged.ext -out forged.pem
"""


def connect(trust: ssl.SSLContext, name: str) -> ssl.SSLSocket:
    """Return a connection that was checked as a browser does."""
    return trust.wrap_socket(socket.create_connection((ADDRESS, PORT), 20), server_hostname=name)


@pytest.fixture(scope="module")
def private(host: Host, web_server: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:  # noqa: ARG001
    """The site's own certificate in place and presented; afterwards certbot's again."""
    folder = tmp_path_factory.mktemp("private")
    assert deploy("certificates", "proxy13", folder, **PRIVATE) > 0
    with web_server_with(host, LIVE):
        host.check_output(DEPLOYED)
        assert deploy("certificates", "proxy13", folder, **PRIVATE) == 0
        yield
    deploy("certificates", "proxy13", folder, **VARIABLES)
    assert not host.file(PUBLIC).exists


@pytest.mark.usefixtures("private")
def test_who_trusts_the_root_trusts_the_domain_and_nothing_else(
    host: Host, error_in_chromium: Callable[[str], str]
) -> None:
    trust = ssl.create_default_context(cadata=host.check_output(f"cat {PUBLIC}"))
    for name in (DOMAIN, f"quiet-river-stone.{DOMAIN}"):
        connect(trust, name).close()
    assert error_in_chromium(host.check_output(f"cat {PUBLIC}")) == ""
    host.check_output(FORGE)
    refused = host.run(f"openssl verify -CAfile {PUBLIC} /run/forged.pem")
    assert refused.failed
    assert "permitted subtree violation" in refused.stdout + refused.stderr
    host.check_output("rm /run/forged.*")


@pytest.mark.usefixtures("private")
def test_it_renews_itself(host: Host) -> None:
    before = shown()
    host.check_output(f"systemctl start {SERVICE}")
    assert shown() == before
    assert "was made, with serial" in host.check_output(f"{PROGRAM} --renew")
    host.check_output(f"systemctl start {SERVICE}")
    assert shown() != before


@pytest.mark.usefixtures("private")
def test_it_signs_for_a_workstations_key(host: Host) -> None:
    pem, key = request_of_workstation()
    bed.run("proxy13", TAKE, text=pem)
    certificate = handed_out(host)
    assert certificate.public_key() == key.public_key()
    root = x509.load_pem_x509_certificate(host.check_output(f"cat {PUBLIC}").encode())
    certificate.verify_directly_issued_by(root)
    host.check_output("systemctl start lightship-workstation-certificates")
    assert handed_out(host) == certificate


@pytest.mark.usefixtures("private")
def test_only_root_reads_the_keys_and_a_lost_one_is_told(host: Host) -> None:
    for path in (KEY, f"{LIVE}/privkey.pem"):
        assert host.run(f"runuser -u nobody -- cat {path}").failed
    before = shown()
    host.check_output(f"mv {KEY} {KEY}.away")
    try:
        done = host.run(PROGRAM)
    finally:
        host.check_output(f"mv {KEY}.away {KEY}")
    assert done.rc == 1
    assert f"{KEY} is missing, so {ROOT} can sign no certificate. Restore /etc/letsencrypt" in done.stderr
    assert shown() == before
