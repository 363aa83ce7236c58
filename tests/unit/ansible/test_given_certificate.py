"""What is said of a certificate that an institution gave, before any host gets it."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from unit.ansible.plugins import load

plugin = load("roles/certificates/filter_plugins/given_certificate.py")

DOMAIN = "notebooks.example.org"
NAMES = (DOMAIN, f"*.{DOMAIN}")
NOW = dt.datetime(2026, 6, 1, tzinfo=dt.UTC)
P256 = ec.SECP256R1()


@dataclass(frozen=True)
class Pair:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: Any

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(Encoding.PEM).decode()

    def key_pem(self, password: bytes = b"") -> str:
        hidden = BestAvailableEncryption(password) if password else NoEncryption()
        return str(self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, hidden).decode())


def made(
    title: str,
    signer: Pair | None = None,
    *,
    key: Any = None,
    names: tuple[str, ...] = (),
    begins: int = -10,
    ends: int = 80,
    usage: x509.ObjectIdentifier | None = None,
) -> Pair:
    """A certificate by the days of its life, signed by another one or by itself."""
    key = key or ec.generate_private_key(P256)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, title)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(signer.certificate.subject if signer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW + dt.timedelta(days=begins))
        .not_valid_after(NOW + dt.timedelta(days=ends))
    )
    if names:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([x509.DNSName(each) for each in names]), critical=False
        )
    if usage:
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    signing = signer.key if signer else key
    return Pair(builder.sign(signing, None if isinstance(signing, ed25519.Ed25519PrivateKey) else hashes.SHA256()), key)


ROOT = made("Root")
MIDDLE = made("Middle", ROOT)
LEAF = made("leaf", MIDDLE, names=NAMES)


def fault(*chain: Pair, key: str = "", domain: str = DOMAIN) -> str:
    text = "".join(each.pem for each in chain)
    found: str = plugin.given_certificate_fault(text, key or chain[0].key_pem(), domain, NOW.timestamp())
    return found


@pytest.mark.parametrize("chain", [(LEAF, MIDDLE), (LEAF, MIDDLE, ROOT)])
def test_a_sound_one_is_taken(chain: tuple[Pair, ...]) -> None:
    assert fault(*chain) == ""


@pytest.mark.parametrize("key", [rsa.generate_private_key(65537, 2048), ec.generate_private_key(ec.SECP384R1())])
def test_keys_that_browsers_take(key: object) -> None:
    assert fault(made("leaf", MIDDLE, key=key, names=NAMES, usage=ExtendedKeyUsageOID.SERVER_AUTH), MIDDLE) == ""


def test_one_that_signed_itself_is_for_trials() -> None:
    assert fault(made("alone", names=NAMES)) == ""


@pytest.mark.parametrize(
    ("chain", "words"),
    [
        ((LEAF,), "Append that of CN=Middle"),
        ((LEAF, ROOT), '"CN=Root" did not sign "CN=leaf" before it; that was CN=Middle'),
        ((LEAF, MIDDLE, made("Root")), '"CN=Root" did not sign "CN=Middle"'),
        ((made("leaf", MIDDLE, names=(DOMAIN,)), MIDDLE), f"not for *.{DOMAIN}; it is for {DOMAIN}"),
        ((made("leaf", MIDDLE, names=(f"*.{DOMAIN}",)), MIDDLE), f"not for {DOMAIN};"),
        ((made("leaf", MIDDLE), MIDDLE), "it is for no name"),
        ((made("leaf", MIDDLE, names=NAMES, ends=0), MIDDLE), "expired on 2026-06-01"),
        ((made("leaf", MIDDLE, names=NAMES, begins=1), MIDDLE), "not valid before 2026-06-02 00:00 UTC"),
        ((LEAF, made("Middle", ROOT, key=MIDDLE.key, ends=-1)), '"CN=Middle" in certificates_given_chain expired'),
        (
            (made("leaf", MIDDLE, names=NAMES, key=rsa.generate_private_key(65537, 1024)), MIDDLE),  # noqa: S505 - a weak key, to be refused
            "an RSA key of 1024 bits",
        ),
        (
            (made("leaf", MIDDLE, names=NAMES, key=ec.generate_private_key(ec.SECP256K1())), MIDDLE),
            "the curve secp256k1",
        ),
        (
            (made("leaf", MIDDLE, names=NAMES, key=ed25519.Ed25519PrivateKey.generate()), MIDDLE),
            "a key of the kind Ed25519",
        ),
        (
            (made("leaf", MIDDLE, names=NAMES, key=dsa.generate_private_key(2048)), MIDDLE),
            "a key of the kind DSA",
        ),
        (
            (made("leaf", MIDDLE, names=NAMES, usage=ExtendedKeyUsageOID.CLIENT_AUTH), MIDDLE),
            "not one for a web server",
        ),
    ],
)
def test_what_browsers_would_refuse_is_refused_here(chain: tuple[Pair, ...], words: str) -> None:
    assert words in fault(*chain)


@pytest.mark.parametrize(
    ("chain", "key", "words"),
    [
        ((LEAF, MIDDLE), ROOT.key_pem(), 'is not the key of "CN=leaf"'),
        ((MIDDLE, LEAF), LEAF.key_pem(), "in the wrong order"),
        ((LEAF, MIDDLE), LEAF.key_pem(b"secret"), "has a password"),
        ((LEAF, MIDDLE), LEAF.key_pem()[:100], "certificates_given_key is damaged"),
        ((LEAF, MIDDLE), "nonsense", "certificates_given_key is damaged"),
    ],
    # A key in a test's name would be another one in each process that runs a part of the tests.
    ids=["another key", "wrong order", "password", "cut off", "nonsense"],
)
def test_the_key_must_be_the_certificates(chain: tuple[Pair, ...], key: str, words: str) -> None:
    assert words in fault(*chain, key=key)


def test_a_damaged_chain() -> None:
    text = LEAF.pem[:200] + LEAF.pem[220:]
    assert "certificates_given_chain is damaged" in plugin.given_certificate_fault(text, LEAF.key_pem(), DOMAIN)


@pytest.mark.parametrize(
    ("content", "kind", "words"),
    [
        (LEAF.pem.encode(), "CERTIFICATE", ""),
        (LEAF.key_pem().encode(), "PRIVATE KEY", ""),
        (b"$ANSIBLE_VAULT;1.1;AES256\n6162", "PRIVATE KEY", ""),
        (LEAF.certificate.public_bytes(Encoding.DER), "CERTIFICATE", "is in DER, not in PEM. Convert it: openssl x509"),
        (
            LEAF.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()),
            "PRIVATE KEY",
            "openssl pkey -inform der",
        ),
        (LEAF.key_pem().encode(), "CERTIFICATE", "has no PEM block of a certificate"),
        (b"", "PRIVATE KEY", "has no PEM block of a private key"),
    ],
)
def test_the_form_of_a_file(tmp_path: Path, content: bytes, kind: str, words: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    found = plugin.pem_file_fault(str(path), kind)
    assert words in found
    assert bool(found) == bool(words)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    assert "cannot be read on this machine" in plugin.pem_file_fault(str(tmp_path / "none"), "CERTIFICATE")
