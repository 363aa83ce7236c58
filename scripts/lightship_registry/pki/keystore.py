"""The files of the authorities and of the web server's client certificate, which `prepare` makes."""

from __future__ import annotations

import base64
import textwrap
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from lightship_registry.core.errors import RegistryError
from lightship_registry.core.files import write_beside
from lightship_registry.core.locks import hold_folder
from lightship_registry.core.settings import Settings
from lightship_registry.core.together import settle
from lightship_registry.pki.authorities import (
    CLIENT,
    LINKS_TITLE,
    SERVER,
    Authority,
    PrivateKey,
    client_certificate,
    load_authority,
    new_authority,
    require_domain,
)

# While a certificate is replaced, another lies beside it: `links-next.crt`.
NEXT, OLD = "next", "old"
# What `openssl x509 -addtrust serverAuth` writes after a certificate: X509_CERT_AUX with id-kp-serverAuth.
TRUSTED_FOR_SERVERS = bytes.fromhex("300c300a06082b06010505070301")


class Keystore:
    """The files under `state_dir` that hold certificates and keys."""

    def __init__(self, settings: Settings) -> None:
        self._domain = settings.domain
        self.folders = (settings.folders.state_dir / "authorities", settings.folders.state_dir / "web_proxy")
        self._links = self.folders[0] / "links.crt"
        self._proxy = self.folders[0] / "proxy.crt"
        self.trusted = self.folders[0] / "links-trusted.crt"
        self.client = self.folders[1] / "client.crt"

    def prepare(self, now: float, given: Authority | None = None) -> list[Path]:
        """Make the missing certificates; their paths. A given authority is the links' first one."""
        with hold_folder(self.folders[0]):
            self.settle()
            return self._make_missing(now, given)

    def settle(self) -> None:
        """Remove what a command that was interrupted left, keys among it. Hold the first folder while you do."""
        for folder in self.folders:
            settle(folder)

    def _make_missing(self, now: float, given: Authority | None) -> list[Path]:
        made = []
        if _missing(self._links):
            _save(self._links, given or self.new_links(now))
            made.append(self._links)
        new_proxy = _missing(self._proxy)
        if new_proxy:
            _save(self._proxy, self.new_proxy(now))
            made.append(self._proxy)
        self.links()
        trusted = self.trusted_pem().encode("ascii")
        if not self.trusted.exists() or self.trusted.read_bytes() != trusted:
            write_beside(self.trusted, trusted, 0o644)
            made.append(self.trusted)
        # Notebooks refuse a certificate of another authority.
        if _missing(self.client) or new_proxy:
            _save(self.client, new_client(load_authority(self._proxy, key_of(self._proxy)), now))
            made.append(self.client)
        return made

    def new_links(self, now: float) -> Authority:
        """Make another authority for the links' certificates."""
        return new_authority(f"{LINKS_TITLE}{self._domain}", SERVER, now, self._domain)

    def new_proxy(self, now: float) -> Authority:
        """Make another authority for the web server's client certificate."""
        return new_authority(f"Lightship proxy {self._domain}", CLIENT, now)

    def links(self) -> Authority:
        """The authority of the links' certificates."""
        authority = load_authority(self._links, key_of(self._links))
        require_domain(authority, self._domain, self._links)
        return authority

    def links_pem(self) -> str:
        """The certificate of that authority and those above it, which notebooks append to their own."""
        return _read(self._links)

    def trusted_pem(self) -> str:
        """What the web server trusts to recognise notebooks; two authorities while one is replaced."""
        return joined(*(anchor(_read(path)) for path in _with(self._links, NEXT, OLD)))

    def trusted_certificates(self) -> str:
        """The same authorities, for a program that is told to trust them though they are no roots."""
        return joined(*(pem(_first(_read(path))) for path in _with(self._links, NEXT, OLD)))

    def proxy_pem(self) -> str:
        """The certificates by which notebooks recognise the web server; two while that authority is replaced."""
        return joined(*map(_read, _with(self._proxy, NEXT)))


def new_client(authority: Authority, now: float) -> Authority:
    """Make another client certificate for the web server, with a key of its own."""
    key = ec.generate_private_key(ec.SECP256R1())
    return Authority(client_certificate(authority, key.public_key(), now), key)


def beside(certificate: Path, which: str) -> Path:
    """The path of the certificate that comes after one, or came before it, while it is replaced."""
    return certificate.with_stem(f"{certificate.stem}-{which}")


def key_of(certificate: Path) -> Path:
    """The path of a certificate's key."""
    return certificate.with_suffix(".key")


def pem(*certificates: x509.Certificate) -> str:
    """Certificates as text."""
    return "".join(each.public_bytes(Encoding.PEM).decode("ascii") for each in certificates)


def anchor(text: str) -> str:
    """The first certificate, in the form in which OpenSSL trusts it by itself, for TLS servers.

    The root above a given authority is not trusted: others of the institution may sign for these names too.
    """
    first = _first(text)
    if first.issuer == first.subject:
        return pem(first)
    content = base64.b64encode(first.public_bytes(Encoding.DER) + TRUSTED_FOR_SERVERS).decode("ascii")
    lines = "\n".join(textwrap.wrap(content, 64))
    return f"-----BEGIN TRUSTED CERTIFICATE-----\n{lines}\n-----END TRUSTED CERTIFICATE-----\n"


def joined(*texts: str) -> str:
    """Some of several authorities. Sorted: which of them is the present one changes, and the file must not."""
    return "".join(sorted({*texts}))


def _first(text: str) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(text.encode())
    except ValueError as error:
        raise RegistryError(f"A certificate in links.crt or beside it cannot be read: {error}. Run prepare.") from error


def _with(certificate: Path, *which: str) -> list[Path]:
    """The path of a certificate, and those of the others that are beside it now."""
    return [certificate, *(path for each in which if (path := beside(certificate, each)).exists())]


def _missing(certificate: Path) -> bool:
    present = [path for path in (certificate, key_of(certificate)) if path.exists()]
    if len(present) == 1:
        # Making a new pair here would silently invalidate every certificate signed so far.
        raise RegistryError(f"Only {present[0]} is there of a pair. Restore the other half, or move it away.")
    return not present


def key_pem(key: PrivateKey) -> bytes:
    """A private key as it is written to its file."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _save(certificate: Path, pair: Authority) -> None:
    # A crash between the two leaves a key without a certificate: `_missing` says so.
    write_beside(key_of(certificate), key_pem(pair.key), 0o600)
    write_beside(certificate, pem(pair.certificate, *pair.above).encode("ascii"), 0o644)


def _read(path: Path) -> str:
    try:
        return path.read_text("ascii")
    except OSError as error:
        raise RegistryError(f"Cannot read {path}: {error.strerror}. Run prepare.") from error
