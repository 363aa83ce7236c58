"""The files of the authorities and of the web server's client certificate, which `prepare` makes."""

from __future__ import annotations

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
    SERVER,
    Authority,
    client_certificate,
    load_authority,
    new_authority,
    require_domain,
)

# While a certificate is replaced, another lies beside it: `links-next.crt`.
NEXT, OLD = "next", "old"


class Keystore:
    """The files under `state_dir` that hold certificates and keys."""

    def __init__(self, settings: Settings) -> None:
        self._domain = settings.domain
        self.folders = (settings.folders.state_dir / "authorities", settings.folders.state_dir / "web_proxy")
        self._links = self.folders[0] / "links.crt"
        self._proxy = self.folders[0] / "proxy.crt"
        self.trusted = self.folders[0] / "links-trusted.crt"
        self.client = self.folders[1] / "client.crt"

    def prepare(self, now: float) -> list[Path]:
        """Make the missing certificates; their paths."""
        with hold_folder(self.folders[0]):
            self.settle()
            return self._make_missing(now)

    def settle(self) -> None:
        """Remove what a command that was interrupted left, keys among it. Hold the first folder while you do."""
        for folder in self.folders:
            settle(folder)

    def _make_missing(self, now: float) -> list[Path]:
        made = []
        if _missing(self._links):
            _save(self._links, self.new_links(now))
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
        return new_authority(f"Lightship links {self._domain}", SERVER, now, self._domain)

    def new_proxy(self, now: float) -> Authority:
        """Make another authority for the web server's client certificate."""
        return new_authority(f"Lightship proxy {self._domain}", CLIENT, now)

    def links(self) -> Authority:
        """The authority of the links' certificates."""
        authority = load_authority(self._links, key_of(self._links))
        require_domain(authority, self._domain, self._links)
        return authority

    def links_pem(self) -> str:
        """The certificate of that authority, which notebooks append to their own."""
        return _read(self._links)

    def trusted_pem(self) -> str:
        """The certificates by which the web server recognises notebooks; two while that authority is replaced."""
        return _all(self._links, beside(self._links, NEXT), beside(self._links, OLD))

    def proxy_pem(self) -> str:
        """The certificates by which notebooks recognise the web server; two while that authority is replaced."""
        return _all(self._proxy, beside(self._proxy, NEXT))


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


def pem(certificate: x509.Certificate) -> str:
    """A certificate as text."""
    return certificate.public_bytes(Encoding.PEM).decode("ascii")


def _missing(certificate: Path) -> bool:
    present = [path for path in (certificate, key_of(certificate)) if path.exists()]
    if len(present) == 1:
        # Making a new pair here would silently invalidate every certificate signed so far.
        raise RegistryError(f"Only {present[0]} is there of a pair. Restore the other half, or move it away.")
    return not present


def key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """A private key as it is written to its file."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _save(certificate: Path, pair: Authority) -> None:
    # A crash between the two leaves a key without a certificate: `_missing` says so.
    write_beside(key_of(certificate), key_pem(pair.key), 0o600)
    write_beside(certificate, pem(pair.certificate).encode("ascii"), 0o644)


def _all(present: Path, *others: Path) -> str:
    # Sorted: which of them is the present one changes, and the file must not.
    texts = {_read(present), *(_read(path) for path in others if path.exists())}
    return "".join(sorted(texts))


def _read(path: Path) -> str:
    try:
        return path.read_text("ascii")
    except OSError as error:
        raise RegistryError(f"Cannot read {path}: {error.strerror}. Run prepare.") from error
