"""Reads the certificates of the authorities and of the web server, for administrators."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from lightship_registry.core.errors import RegistryError
from lightship_registry.core.settings import Settings
from lightship_registry.pki.keystore import NEXT, OLD, Keystore, beside

DAY = 86400


@dataclass(frozen=True)
class Seen:
    """What administrators compare of a certificate."""

    use: str
    path: Path
    subject: str
    sha256: str
    ends: float

    def days(self, now: float) -> int:
        """The days until it expires."""
        return int((self.ends - now) // DAY)


def serial_of(certificate: x509.Certificate) -> str:
    """The serial number as openssl and browsers show it: two digits for each byte."""
    digits = f"{certificate.serial_number:X}"
    return digits.zfill(len(digits) + len(digits) % 2)


def certificates(settings: Settings) -> list[Seen]:
    """All three; a missing one is an error."""
    authorities, web_proxy = Keystore(settings).folders
    return [
        _seen("signs notebooks' certificates", authorities / "links.crt"),
        _seen("signs the proxy's certificate", authorities / "proxy.crt"),
        _seen("the proxy, to notebooks", web_proxy / "client.crt"),
    ]


def replaced(settings: Settings) -> list[Seen]:
    """Those that are there only while an authority is replaced."""
    authorities, _ = Keystore(settings).folders
    links, proxy = authorities / "links.crt", authorities / "proxy.crt"
    uses = {
        beside(links, NEXT): "will sign notebooks' certificates, and is trusted",
        beside(links, OLD): "trusted until its notebooks have ended",
        beside(proxy, NEXT): "trusted by new notebooks, will sign the proxy's certificate",
    }
    return [_seen(use, path) for path, use in uses.items() if path.exists()]


def _seen(use: str, path: Path) -> Seen:
    try:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError) as error:
        raise RegistryError(f"Cannot read {path}: {error}. Restore it from a backup.") from error
    print_ = certificate.fingerprint(hashes.SHA256()).hex()
    end = certificate.not_valid_after_utc.timestamp()
    return Seen(use, path, certificate.subject.rfc4514_string(), print_, end)
