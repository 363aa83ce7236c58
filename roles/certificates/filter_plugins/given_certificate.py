"""Filters that say what is wrong with a certificate and a key that an institution gave, before a host gets them.

ansible-core itself needs the package cryptography, so it is on every control machine.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID

LEAST_RSA_BITS = 2048
CURVES = ("secp256r1", "secp384r1", "secp521r1")
WEAK_HASHES = ("md5", "sha1")
VAULT = b"$ANSIBLE_VAULT"
DAY_FORM = "%Y-%m-%d"


class Names(NamedTuple):
    """The variables that name the files, and the program that reads them. Role link_registry has other ones."""

    chain: str
    key: str
    program: str


WEB = Names("certificates_given_chain", "certificates_given_key", "web server")


def pem_file_fault(path: str, kind: str) -> str:
    """Say why a file on this machine holds no PEM of a kind, `CERTIFICATE` or `PRIVATE KEY`; empty if it does.

    An encrypted vault passes: what is in it, only Ansible can read.
    """
    try:
        content = Path(path).expanduser().read_bytes()
    except OSError as error:
        return f"cannot be read on this machine: {error.strerror}"
    if content.startswith(VAULT) or f"{kind}-----".encode() in content:
        return ""
    # DER begins with the tag of a sequence.
    if content[:1] == b"\x30":
        word = "x509" if kind == "CERTIFICATE" else "pkey"
        return f"is in DER, not in PEM. Convert it: openssl {word} -inform der -in {path} -out {path}.pem"
    return f"has no PEM block of a {kind.lower()}"


def given_certificate_fault(chain: str, key: str, domain: str, now: float | None = None) -> str:
    """Say what is wrong with a certificate, the intermediates after it, and its key; empty if browsers take them.

    Args:
        chain: certificates in PEM, the server's own first.
        key: the private key in PEM.
        domain: the domain for which it must be, together with every name directly below.
        now: seconds since 1970; the present time if it is not given.
    """
    certificates, fault = read_chain(chain, WEB)
    moment = datetime.now(UTC) if now is None else datetime.fromtimestamp(now, UTC)
    checks: tuple[Callable[[], str], ...] = (
        lambda: key_fault(certificates, key, WEB),
        lambda: _names_fault(certificates[0], domain),
        lambda: dates_fault(certificates, moment, WEB),
        lambda: strength_fault(certificates, WEB),
        lambda: _usage_fault(certificates[0]),
        lambda: _alone_fault(certificates) or chain_fault(certificates, WEB),
    )
    return fault or next((found for check in checks if (found := check())), "")


def read_chain(chain: str, names: Names) -> tuple[list[x509.Certificate], str]:
    """Read certificates in PEM; with what is wrong if they cannot be read."""
    try:
        return x509.load_pem_x509_certificates(chain.encode()), ""
    except (ValueError, UnsupportedAlgorithm) as error:
        return [], f"{names.chain} is damaged: {error}. Copy the files again."


def key_fault(certificates: Sequence[x509.Certificate], key: str, names: Names) -> str:
    """Say why a key is not that of the first certificate."""
    try:
        private = load_pem_private_key(key.encode(), None)
    except TypeError:
        return (
            f"{names.key} has a password, which nobody could type when the {names.program} starts. Take it off, "
            "and put the file into a vault instead: openssl pkey -in FILE -out NEW; ansible-vault encrypt NEW"
        )
    except (ValueError, UnsupportedAlgorithm) as error:
        return f"{names.key} is damaged: {error}. Copy the file again."
    own = [_spki(private) == _spki(each) for each in certificates]
    if own[0]:
        return ""
    if any(own):
        return (
            f"{names.chain} is in the wrong order: the certificate of {names.key} must be the first, and each one "
            "after it must have signed the one before."
        )
    return (
        f"{names.key} is not the key of {named(certificates[0])}, the first of {names.chain}. "
        "Give the key with which that certificate was requested."
    )


def _names_fault(leaf: x509.Certificate, domain: str) -> str:
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        found = {name.lower() for name in names.get_values_for_type(x509.DNSName)}
    except x509.ExtensionNotFound:
        found = set()
    missing = sorted({domain, f"*.{domain}"} - found)
    if not missing:
        return ""
    has = ", ".join(sorted(found)) or "no name"
    return (
        f"certificates_given_chain is not for {' and '.join(missing)}; it is for {has}. Each link has a name of its "
        f"own, so request a certificate for both {domain} and *.{domain}."
    )


def dates_fault(certificates: Sequence[x509.Certificate], moment: datetime, names: Names) -> str:
    """Say which certificate is not valid at that moment."""
    for each in certificates:
        begins, ends = each.not_valid_before_utc, each.not_valid_after_utc
        if moment >= ends:
            return f"{named(each)} in {names.chain} expired on {ends:{DAY_FORM}}. Request a new one."
        if moment < begins:
            return (
                f"{named(each)} in {names.chain} is not valid before {begins:{DAY_FORM} %H:%M} UTC. Wait "
                "until then, or set the clock of this machine by NTP."
            )
    return ""


def strength_fault(certificates: Sequence[x509.Certificate], names: Names) -> str:
    """Say which certificate is too weak."""
    for each in certificates:
        key = each.public_key()
        if isinstance(key, rsa.RSAPublicKey):
            weak = f"an RSA key of {key.key_size} bits" if key.key_size < LEAST_RSA_BITS else ""
        elif isinstance(key, ec.EllipticCurvePublicKey):
            weak = "" if key.curve.name in CURVES else f"a key on the curve {key.curve.name}"
        else:
            weak = f"a key of the kind {type(key).__name__.removesuffix('PublicKey')}"
        hashed = each.signature_hash_algorithm.name if each.signature_hash_algorithm else ""
        if not weak and hashed in WEAK_HASHES and each.issuer != each.subject:
            weak = f"a signature with {hashed.upper()}"
        if weak:
            return (
                f"{named(each)} in {names.chain} has {weak}, which browsers refuse or ought to. Request "
                f"one with a key on P-256, or RSA of {LEAST_RSA_BITS} bits or more."
            )
    return ""


def _usage_fault(leaf: x509.Certificate) -> str:
    try:
        usage = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return ""
    if ExtendedKeyUsageOID.SERVER_AUTH in usage or ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE in usage:
        return ""
    return f"{named(leaf)} in certificates_given_chain is not one for a web server. Request one for TLS servers."


def _alone_fault(certificates: Sequence[x509.Certificate]) -> str:
    leaf = certificates[0]
    if len(certificates) > 1 or leaf.issuer == leaf.subject:
        return ""
    return (
        f"certificates_given_chain has no certificate after that of {named(leaf)}, and browsers do not know who "
        f"signed it. Append that of {leaf.issuer.rfc4514_string()}, which your authority publishes."
    )


def chain_fault(certificates: Sequence[x509.Certificate], names: Names) -> str:
    """Say which certificate was not signed by the next one."""
    for signed, signer in pairwise(certificates):
        try:
            signed.verify_directly_issued_by(signer)
        except (ValueError, TypeError, InvalidSignature):
            return (
                f"In {names.chain}, {named(signer)} did not sign {named(signed)} before it; that was "
                f"{signed.issuer.rfc4514_string()}. Put each certificate after the one that it signed."
            )
    return ""


def _spki(holder: object) -> bytes:
    public: bytes = holder.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)  # type: ignore[attr-defined]
    return public


def named(certificate: x509.Certificate) -> str:
    """A certificate, as the sentences call it."""
    return f'"{certificate.subject.rfc4514_string() or f"serial {certificate.serial_number:X}"}"'


class FilterModule:
    """What Ansible looks for."""

    def filters(self) -> dict[str, Callable[..., str]]:
        """Return the filters."""
        return {"pem_file_fault": pem_file_fault, "given_certificate_fault": given_certificate_fault}
