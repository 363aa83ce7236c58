"""A certificate of the institution: checked before anything changes, and then presented."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from testinfra.host import Host

from support.certificates_host import DEPLOYED, DOMAIN, SERVICE, VARIABLES, issued, shown, web_server_with
from support.deploy import deploy

testinfra_hosts = ["ssh://proxy13"]

GIVEN = f"/etc/letsencrypt/lightship/given/live/{DOMAIN}"


@dataclass(frozen=True)
class Pair:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def pem(self) -> bytes:
        """The certificate."""
        return self.certificate.public_bytes(Encoding.PEM)


def sign(title: str, signer: Pair | None = None, *names: str) -> Pair:
    """Make a certificate, signed by another or by itself."""
    key, now = ec.generate_private_key(ec.SECP256R1()), dt.datetime.now(dt.UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, title)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(signer.certificate.subject if signer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=90))
        .add_extension(x509.BasicConstraints(ca=not names, path_length=None), critical=True)
    )
    if names:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([x509.DNSName(each) for each in names]), critical=False
        )
    return Pair(builder.sign(signer.key if signer else key, hashes.SHA256()), key)


@dataclass(frozen=True)
class Institution:
    """An authority with an intermediate, and where its files go on this machine."""

    folder: Path
    root: Pair
    middle: Pair

    def give(self, *names: str) -> tuple[dict[str, object], int]:
        """Write a new certificate and its key; the role's variables for it, and its serial number."""
        leaf = sign("given", self.middle, *names)
        chain, key = self.folder / "chain.pem", self.folder / "key.pem"
        chain.write_bytes(leaf.pem + self.middle.pem)
        key.write_bytes(leaf.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        given = {"certificates_provider": "given", "certificates_given_chain": str(chain)}
        return {**VARIABLES, **given, "certificates_given_key": str(key)}, leaf.certificate.serial_number


@pytest.fixture(scope="module")
def institution(tmp_path_factory: pytest.TempPathFactory) -> Institution:
    """It signs what a centre asks for."""
    root = sign("Root")
    return Institution(tmp_path_factory.mktemp("institution"), root, sign("Middle", root))


@pytest.fixture(scope="module")
def given(
    host: Host,
    web_server: None,  # noqa: ARG001
    institution: Institution,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[None]:
    """The institution's certificate in place and presented; afterwards certbot's again."""
    folder = tmp_path_factory.mktemp("given")
    variables, serial = institution.give(DOMAIN, f"*.{DOMAIN}")
    assert deploy("certificates", "proxy13", folder, **variables) > 0
    # Until role web_proxy comes, the web server goes on with the other one.
    assert shown() == issued(host)
    with web_server_with(host, GIVEN):
        host.check_output(DEPLOYED)
        assert shown() == serial
        assert deploy("certificates", "proxy13", folder, **variables) == 0
        yield
    deploy("certificates", "proxy13", folder, **VARIABLES)
    assert shown() == issued(host)


@pytest.mark.usefixtures("given")
def test_the_next_one_is_presented_by_the_run_that_brings_it(
    host: Host, institution: Institution, tmp_path: Path, error_in_chromium: Callable[[str], str]
) -> None:
    before = shown()
    variables, serial = institution.give(DOMAIN, f"*.{DOMAIN}")
    assert deploy("certificates", "proxy13", tmp_path, **variables) > 0
    assert shown() == serial != before
    assert host.check_output(f"stat -L -c %a {GIVEN}/privkey.pem") == "600"
    # The intermediate came with it: browsers know the root alone.
    assert error_in_chromium(institution.root.pem.decode()) == ""
    assert "ERR_CERT_AUTHORITY_INVALID" in error_in_chromium(sign("Another").pem.decode())
    # The timer asks no authority, and would notice a web server that presents another one.
    host.check_output(f"systemctl start {SERVICE}")
    assert "certbot" not in host.check_output(f"systemctl cat {SERVICE}")


@pytest.mark.usefixtures("given")
def test_what_browsers_would_refuse_is_refused_before_any_change(
    host: Host, institution: Institution, tmp_path: Path
) -> None:
    presented = shown()
    before = host.check_output(f"ls -l {GIVEN}")
    variables, _ = institution.give(DOMAIN)
    with pytest.raises(AssertionError, match=rf"not for \*\.{DOMAIN}"):
        deploy("certificates", "proxy13", tmp_path, **variables)
    variables, _ = institution.give(DOMAIN, f"*.{DOMAIN}")
    Path(str(variables["certificates_given_key"])).write_bytes(
        sign("x").key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    with pytest.raises(AssertionError, match="is not the key of"):
        deploy("certificates", "proxy13", tmp_path, **variables)
    with pytest.raises(AssertionError, match="Set it to a file of this machine"):
        deploy("certificates", "proxy13", tmp_path, **variables | {"certificates_given_chain": "/nowhere.pem"})
    assert host.check_output(f"ls -l {GIVEN}") == before
    assert shown() == presented
