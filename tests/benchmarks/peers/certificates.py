"""Certificates of one run: P-256 keys, as Lightship issues them.

One wildcard certificate serves all notebooks. A real link has its own, of the same size and kind; the check of the name
is the same work.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from peers.settings import DOMAIN

DAYS = 7


@dataclass(frozen=True)
class Pair:
    """A certificate and its key, as files; `both` has the two in one, as HAProxy and Apache's proxy want them."""

    certificate: Path
    key: Path
    both: Path


@dataclass(frozen=True)
class Certificates:
    """The certificates of one run. `authority` signed them all."""

    authority: Path
    front: Pair
    notebooks: Pair
    impostor: Pair
    client: Pair


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _write(folder: Path, name: str, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> Pair:
    pair = Pair(folder / f"{name}.crt", folder / f"{name}.key", folder / f"{name}.pem")
    text = certificate.public_bytes(serialization.Encoding.PEM)
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    pair.certificate.write_bytes(text)
    pair.key.write_bytes(secret)
    pair.both.write_bytes(secret + text)
    # The servers' workers read them under accounts of their own; the folder lives as long as the run.
    pair.key.chmod(0o644)
    return pair


def _builder(subject: str, issuer: str, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(_name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=DAYS))
    )


def make(folder: Path) -> Certificates:
    """Make the certificates of a run in a folder."""
    folder.mkdir(parents=True)
    root = ec.generate_private_key(ec.SECP256R1())
    authority = (
        _builder("authority of the benchmark", "authority of the benchmark", root)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(root, hashes.SHA256())
    )
    _write(folder, "authority", root, authority)

    def leaf(name: str, host: str, usage: x509.ObjectIdentifier) -> Pair:
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = (
            _builder(host, "authority of the benchmark", key)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .sign(root, hashes.SHA256())
        )
        return _write(folder, name, key, certificate)

    return Certificates(
        authority=folder / "authority.crt",
        front=leaf("front", f"*.{DOMAIN}", ExtendedKeyUsageOID.SERVER_AUTH),
        notebooks=leaf("notebooks", f"*.{DOMAIN}", ExtendedKeyUsageOID.SERVER_AUTH),
        impostor=leaf("impostor", "elsewhere.example.org", ExtendedKeyUsageOID.SERVER_AUTH),
        client=leaf("client", "proxy.example.org", ExtendedKeyUsageOID.CLIENT_AUTH),
    )
