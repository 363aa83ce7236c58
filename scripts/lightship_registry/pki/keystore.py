"""The files of the authorities and of the web server's client certificate, which `prepare` makes."""

from __future__ import annotations

from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from lightship_registry.core.errors import RegistryError
from lightship_registry.core.files import write_beside
from lightship_registry.core.settings import Settings
from lightship_registry.pki.authorities import (
    CLIENT,
    SERVER,
    Authority,
    client_certificate,
    load_authority,
    new_authority,
    require_domain,
)


class Keystore:
    """The files under `state_dir` that hold certificates and keys."""

    def __init__(self, settings: Settings) -> None:
        self._domain = settings.domain
        self.folders = (settings.folders.state_dir / "authorities", settings.folders.state_dir / "web_proxy")
        self._links = self.folders[0] / "links.crt"
        self._proxy = self.folders[0] / "proxy.crt"
        self.client = self.folders[1] / "client.crt"

    def prepare(self, now: float) -> list[Path]:
        """Make the missing certificates; their paths."""
        made = []
        if _missing(self._links):
            title = f"Lightship links {self._domain}"
            _save(self._links, new_authority(title, SERVER, now, self._domain))
            made.append(self._links)
        new_proxy = _missing(self._proxy)
        if new_proxy:
            _save(self._proxy, new_authority(f"Lightship proxy {self._domain}", CLIENT, now))
            made.append(self._proxy)
        self.links()
        # Notebooks refuse a certificate of another authority.
        if _missing(self.client) or new_proxy:
            self._make_client(now)
            made.append(self.client)
        return made

    def links(self) -> Authority:
        """The authority of the links' certificates."""
        authority = load_authority(self._links, key_of(self._links))
        require_domain(authority, self._domain, self._links)
        return authority

    def links_pem(self) -> str:
        """The certificate of that authority, which notebooks append to their own."""
        return _read(self._links)

    def proxy_pem(self) -> str:
        """The certificate by which notebooks recognise the web server."""
        return _read(self._proxy)

    def _make_client(self, now: float) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        authority = load_authority(self._proxy, key_of(self._proxy))
        _save(self.client, Authority(client_certificate(authority, key.public_key(), now), key))


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


def _save(certificate: Path, pair: Authority) -> None:
    key = pair.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    # A crash between the two leaves a key without a certificate: `_missing` says so.
    write_beside(key_of(certificate), key, 0o600)
    write_beside(certificate, pem(pair.certificate).encode("ascii"), 0o644)


def _read(path: Path) -> str:
    try:
        return path.read_text("ascii")
    except OSError as error:
        raise RegistryError(f"Cannot read {path}: {error.strerror}. Run prepare.") from error
