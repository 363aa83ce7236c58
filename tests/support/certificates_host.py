"""The host on which role certificates is tested alone: its names, and what it has in place and presents."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from testinfra.host import Host

from support.bed import REPOSITORY

ADDRESS = "10.89.77.13"
DOMAIN = "trixie.test"
PORT = 9443
LIVE = f"/etc/letsencrypt/live/{DOMAIN}"
DEPLOYED = "/usr/local/lib/lightship/certificates-deployed"
SERVICE = "lightship-certificates"
# The bed's resolver knows this name.
WORKSTATION = f"ws1.{DOMAIN}"
TAKE = f"/usr/local/lib/lightship/certificates-workstations --take {WORKSTATION}"
WEB = "/etc/certificates-test"
WEB_SERVER = "certificates-test"
# Where the site's own commands write what they were told.
NEWS = {"success": "/run/certificates-renewed", "failure": "/run/certificates-failed"}
VARIABLES: dict[str, object] = {
    "certificates_domain": DOMAIN,
    "certificates_ca": "https://acme:14000/dir",
    "certificates_acme_ca_file": str(REPOSITORY / ".bed" / "pebble-api-ca.pem"),
    "certificates_propagation_seconds": 1,
    "certificates_https_port": PORT,
    "certificates_web_server": WEB_SERVER,
    "certificates_web_server_test": ["nginx", "-t", "-c", f"{WEB}/nginx"],
    # With what a shell, a unit and a file of settings each read in their own way.
    **{
        f"certificates_{kind}_command": ["sh", "-c", f'printf "%s 100%%" "${{LIGHTSHIP_MESSAGE}}" >{path}']
        for kind, path in NEWS.items()
    },
}


@contextmanager
def web_server_with(host: Host, live: str) -> Iterator[None]:
    """Have the tests' web server read another folder's certificate, and afterwards certbot's again."""
    site = f"{WEB}/site.conf"
    host.check_output(f"cp {site} /run/site && sed -i 's#{LIVE}#{live}#g' {site} && systemctl reload {WEB_SERVER}")
    try:
        yield
    finally:
        host.check_output(f"cp /run/site {site} && systemctl reload {WEB_SERVER}")


def issued(host: Host) -> int:
    """Return the serial number of the certificate in place."""
    return x509.load_pem_x509_certificate(host.check_output(f"cat {LIVE}/cert.pem").encode()).serial_number


def shown() -> int:
    """Return the serial number of the certificate that the web server shows."""
    return x509.load_pem_x509_certificate(
        ssl.get_server_certificate((ADDRESS, PORT), timeout=20).encode()
    ).serial_number


def request_of_workstation() -> tuple[str, ec.EllipticCurvePrivateKey]:
    """Return what a workstation asks for, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    names = x509.SubjectAlternativeName([x509.DNSName(WORKSTATION)])
    builder = x509.CertificateSigningRequestBuilder(x509.Name([])).add_extension(names, critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM).decode(), key


def handed_out(host: Host) -> x509.Certificate:
    """Return the workstation's certificate as the registry serves it."""
    known = json.loads(host.check_output("cat /usr/local/share/lightship/certificates.json"))
    return x509.load_pem_x509_certificate(known[WORKSTATION].encode())
