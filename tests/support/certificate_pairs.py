"""Certificates and their keys, as an institution makes them: with a root, intermediates, and every fault."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID


@dataclass(frozen=True)
class Pair:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: Any

    @property
    def pem(self) -> str:
        """The certificate."""
        return self.certificate.public_bytes(Encoding.PEM).decode()

    def key_pem(self, password: bytes = b"") -> str:
        """The key, encrypted if there is a password."""
        hidden = BestAvailableEncryption(password) if password else NoEncryption()
        return str(self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, hidden).decode())


def made_certificate(
    title: str,
    signer: Pair | None = None,
    *,
    now: dt.datetime,
    key: Any = None,
    names: tuple[str, ...] = (),
    begins: int = -10,
    ends: int = 80,
    usage: x509.ObjectIdentifier | None = None,
    path_length: int | None = None,
    more: tuple[x509.ExtensionType, ...] = (),
) -> Pair:
    """Make a certificate, signed by another one or by itself.

    Args:
        title: the common name of its subject.
        signer: who signs it; nobody else if there is none.
        now: the time from which its days are counted.
        key: its private key; a new one by default.
        names: the host names of a server; without them it may sign others.
        begins: the first day of its life.
        ends: the last one.
        usage: what it is for, if that is said.
        path_length: how many authorities an authority allows below it.
        more: other extensions.
    """
    key = key or ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, title)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(signer.certificate.subject if signer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + dt.timedelta(days=begins))
        .not_valid_after(now + dt.timedelta(days=ends))
        .add_extension(x509.BasicConstraints(ca=not names, path_length=path_length), critical=True)
    )
    if names:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([x509.DNSName(each) for each in names]), critical=False
        )
    if usage:
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    for each in more:
        builder = builder.add_extension(each, critical=True)
    signing = signer.key if signer else key
    return Pair(builder.sign(signing, None if isinstance(signing, ed25519.Ed25519PrivateKey) else hashes.SHA256()), key)
