"""The two private authorities: one signs the links' server certificates, the other the web server's client certificate.

With a single authority, a test could pass off the certificate of a user's link as the web server's.
"""

from __future__ import annotations

import datetime
import ipaddress
import re
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from lightship_registry.core.errors import RegistryError

PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey
PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

# The clocks of compute nodes may be behind this host's.
BACKDATE = datetime.timedelta(minutes=5)
AUTHORITY_LIFE = datetime.timedelta(days=3650)
SERVER, CLIENT = ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH
LINKS_TITLE = "Lightship links "
KEY_BLOCK = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----[^-]+-----END [A-Z ]*PRIVATE KEY-----\s*")
EVERY_ADDRESS = (ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0"))


@dataclass(frozen=True)
class Authority:
    """A certificate that signs others, and its key."""

    certificate: x509.Certificate
    key: PrivateKey
    # Those between it and a root, if an institution gave it.
    above: tuple[x509.Certificate, ...] = ()

    @cached_property
    def identifier(self) -> x509.AuthorityKeyIdentifier:
        """By what its certificates name it; each access would decode all of the certificate's extensions."""
        try:
            own = self.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        except x509.ExtensionNotFound:
            own = _key_identifier(self.key.public_key())
        return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own)


def new_authority(title: str, usage: x509.ObjectIdentifier, now: float, domain: str | None = None) -> Authority:
    """Make an authority for one usage; one for server certificates is limited to names below the domain."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, title[:64])])
    builder = (
        _builder(subject, subject, key.public_key(), _moment(now), _moment(now) + AUTHORITY_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        .add_extension(_key_identifier(key.public_key()), critical=False)
    )
    if domain is not None:
        builder = builder.add_extension(_only(domain), critical=True)
    return Authority(builder.sign(key, hashes.SHA256()), key)


def server_certificate(
    authority: Authority, public_key: PublicKey, host: str, now: float, end: float
) -> x509.Certificate:
    """Sign the certificate of a link. Its only name is the link's host name, and it expires with the link."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)] if len(host) <= 64 else [])
    builder = _leaf(authority, subject, public_key, SERVER, _moment(now), _moment(end))
    names = x509.SubjectAlternativeName([x509.DNSName(host)])
    # A certificate without a subject must have its names marked critical (RFC 5280, 4.2.1.6).
    return builder.add_extension(names, critical=len(host) > 64).sign(authority.key, hashes.SHA256())


def client_certificate(authority: Authority, public_key: PublicKey, now: float) -> x509.Certificate:
    """Sign the certificate that the web server shows to every notebook; it expires with its authority."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Lightship proxy")])
    end = authority.certificate.not_valid_after_utc
    return _leaf(authority, subject, public_key, CLIENT, _moment(now), end).sign(authority.key, hashes.SHA256())


def load_authority(certificate: Path, key: Path) -> Authority:
    """Read an authority that `prepare` made, or that was given."""
    try:
        loaded = _paired(certificate.read_bytes(), key.read_bytes())
    except (OSError, ValueError, TypeError) as error:
        raise RegistryError(f"Cannot read the authority {certificate}: {error}. Run prepare.") from error
    if loaded is None:
        raise RegistryError(f"{key} is not the key of {certificate}. Restore both from the same backup.")
    return loaded


def given_authority(text: str) -> Authority:
    """Read the authority that an institution gave: its certificate, those above it, and its key, in one text."""
    key = KEY_BLOCK.search(text)
    try:
        if key is None:
            raise ValueError("no private key is in it")  # noqa: TRY301  one sentence for all that is wrong with it
        loaded = _paired(KEY_BLOCK.sub("", text).encode(), key[0].encode())
    except (ValueError, TypeError) as error:
        raise RegistryError(
            f"The given authority cannot be read: {error}. Give its certificate and key in PEM."
        ) from error
    if loaded is None or not _is_authority(loaded.certificate):
        raise RegistryError("The given certificate is that of no authority, or the key is not its key. Give both.")
    # Every program that knows the root has it.
    above = tuple(each for each in loaded.above if each.issuer != each.subject)
    return replace(loaded, above=above)


def is_own(certificate: x509.Certificate) -> bool:
    """Whether this host made this authority for links itself."""
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    own = bool(names) and str(names[0].value).startswith(LINKS_TITLE)
    return own and certificate.issuer == certificate.subject


def require_domain(authority: Authority, domain: str, where: Path) -> None:
    """Refuse an authority of another domain: nobody would accept its certificates.

    What a given one may sign is checked before it comes here.
    """
    if not is_own(authority.certificate):
        return
    constraints = authority.certificate.extensions.get_extension_for_class(x509.NameConstraints).value
    if constraints.permitted_subtrees != [x509.DNSName(domain)]:
        raise RegistryError(f"{where} was made for another domain. Move it and its key away, then run prepare.")


def _paired(certificates: bytes, key: bytes) -> Authority | None:
    private = load_pem_private_key(key, None)
    first, *above = x509.load_pem_x509_certificates(certificates)
    if not isinstance(private, PrivateKey) or private.public_key() != first.public_key():
        return None
    return Authority(first, private, tuple(above))


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def _only(domain: str) -> x509.NameConstraints:
    # A constraint on DNS names does not limit addresses: these are excluded separately.
    return x509.NameConstraints([x509.DNSName(domain)], [x509.IPAddress(network) for network in EVERY_ADDRESS])


def _leaf(
    authority: Authority,
    subject: x509.Name,
    public_key: PublicKey,
    usage: x509.ObjectIdentifier,
    start: datetime.datetime,
    end: datetime.datetime,
) -> x509.CertificateBuilder:
    return (
        _builder(subject, authority.certificate.subject, public_key, start, end)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(rsa_key=isinstance(public_key, rsa.RSAPublicKey)), critical=True)
        .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        .add_extension(_key_identifier(public_key), critical=False)
        .add_extension(authority.identifier, critical=False)
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, key: PublicKey, start: datetime.datetime, end: datetime.datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start - BACKDATE)
        .not_valid_after(end)
    )


def _key_identifier(key: PublicKey) -> x509.SubjectKeyIdentifier:
    return x509.SubjectKeyIdentifier.from_public_key(key)


def _key_usage(*, signs: bool = False, rsa_key: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs,
        key_encipherment=rsa_key,
        key_cert_sign=signs,
        crl_sign=signs,
        content_commitment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _moment(seconds: float) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(int(seconds), datetime.UTC)
