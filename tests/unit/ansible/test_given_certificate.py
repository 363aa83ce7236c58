"""What is said of a certificate that an institution gave, before any host gets it."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID

from support.certificate_pairs import Pair, made_certificate
from unit.ansible.plugins import load

plugin = load("roles/certificates/filter_plugins/given_certificate.py")

DOMAIN = "notebooks.example.org"
NAMES = (DOMAIN, f"*.{DOMAIN}")
NOW = dt.datetime(2026, 6, 1, tzinfo=dt.UTC)
P256 = ec.SECP256R1()


def made(title: str, signer: Pair | None = None, **more: Any) -> Pair:
    """A certificate whose days count from NOW."""
    return made_certificate(title, signer, now=NOW, **more)


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
