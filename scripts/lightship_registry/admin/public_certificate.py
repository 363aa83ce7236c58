"""The versions of the public certificate that certbot keeps: gets a new one at once, and revokes earlier ones, as root.

certbot makes a new key for each version. Its folder `archive/<domain>` has the files of version 3 as cert3.pem,
privkey3.pem and so on, and `live/<domain>` has links to those in place.
"""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from lightship_registry.admin.web_checks import PROVE, RENEWAL
from lightship_registry.admin.web_server import DEPLOYED, Deployed
from lightship_registry.core.errors import RegistryError
from lightship_registry.pki.certificates import serial_of

# The certificate is deleted last: without it, nobody would look for its key.
KINDS = ("privkey", "chain", "fullchain", "cert")
LEAKED = "key-compromise"
# As RFC 5280 names the reasons, and as certbot takes them.
REASONS = {
    LEAKED: "keycompromise",
    "superseded": "superseded",
    "cessation-of-operation": "cessationofoperation",
    "unspecified": "unspecified",
}
# certificates_propagation_seconds may be an hour.
CERTBOT_SECONDS = 4500.0
PROVE_SECONDS = 120.0
LAST_LINES = 12
# certbot tells the title and the detail of an error, and not its name, alreadyRevoked.
REVOKED_BEFORE = re.compile("already.{0,40}revoked|revoked.{0,40}already", re.IGNORECASE | re.DOTALL)
NO_CERTBOT = (
    "No certbot renews the public certificate of this host. If the institution gave it, put new files into "
    "certificates_given_chain and certificates_given_key, and run site.yml; if its authority is private, run "
    "/usr/local/lib/lightship/certificates-private --renew; else run, on the control machine: "
    "ansible-playbook site.yml --tags certificates"
)


@dataclass(frozen=True)
class Version:
    """One version of the certificate, with its files."""

    folder: Path
    number: int
    certificate: x509.Certificate

    def file(self, kind: str) -> Path:
        """The path of its `cert`, `chain`, `fullchain` or `privkey`."""
        return self.folder / f"{kind}{self.number}.pem"

    @property
    def serial(self) -> str:
        """The serial number."""
        return serial_of(self.certificate)

    @property
    def ends(self) -> float:
        """When it expires."""
        return self.certificate.not_valid_after_utc.timestamp()

    @property
    def authority(self) -> list[object]:
        """Who issued it: an authority has many intermediates, of one organisation."""
        issuer = self.certificate.issuer
        return [each.value for each in issuer.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)]

    @property
    def key(self) -> bytes:
        """The public key, to compare."""
        return self.certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


class PublicCertificate:
    """The certificate of the domain on this host, and the certbot that got it."""

    def __init__(self, known: Deployed) -> None:
        if known.certificate is None:
            sentence = f"{DEPLOYED} names no certificate. Run: ansible-playbook site.yml --tags certificates"
            raise RegistryError(sentence)
        self._program = known.certbot
        self._lineage = known.certificate.parent
        self.domain = self._lineage.name

    def present(self) -> Version:
        """The version in place."""
        link = self._lineage / "cert.pem"
        try:
            file = link.resolve(strict=True)
        except OSError as error:
            raise RegistryError(f"{link}: {error.strerror}. Restore /etc/letsencrypt from a backup.") from error
        return _version(file)

    def earlier(self, now: float) -> list[Version]:
        """The versions before the one in place that its authority issued and that have not expired, oldest first."""
        present = self.present()
        found = (_read(file) for file in self._before(present))
        same = (each for each in found if each and each.ends > now and each.authority == present.authority)
        return sorted(same, key=lambda each: each.number)

    def unreadable(self) -> list[Path]:
        """The files of earlier versions that cannot be read; a full disk leaves such."""
        return [file for file in self._before(self.present()) if _read(file) is None]

    def _before(self, present: Version) -> list[Path]:
        files = present.folder.glob("cert*.pem")
        return [file for file in files if 0 < _number(file) < present.number]

    def require_certbot(self) -> None:
        """Refuse where no certbot renews it."""
        if self._program is None:
            raise RegistryError(NO_CERTBOT)

    def renew(self) -> Version:
        """Get a certificate with a new key, and have the web server present it; the new version.

        If that fails, the web server presents the earlier one.
        """
        before = self.present()
        _must(
            self._certbot("renew", "--cert-name", self.domain, "--force-renewal", "--no-random-sleep-on-renew"),
            f"certbot got no certificate for {self.domain}; the one in place stays. Look into what it said before you "
            "run this again, for the authority limits how many it issues",
        )
        self.prove()
        after = self.present()
        if after.number == before.number:
            raise RegistryError(
                f"The web server refused the new certificate of {self.domain}, so number {before.number} is in place "
                f"again. Why: journalctl -u {RENEWAL}, and /var/log/letsencrypt/letsencrypt.log. Nothing was revoked."
            )
        # Whoever sets reuse_key in certbot's files would get another certificate for the key that leaked.
        if after.key == before.key:
            raise RegistryError(
                f"The new certificate of {self.domain} has the key of the one before. Remove reuse_key from "
                f"/etc/letsencrypt/renewal/{self.domain}.conf, and run this again."
            )
        return after

    def prove(self) -> None:
        """Have the web server present the version in place; an error if it does not."""
        said = f"The web server does not present the certificate of {self.domain} that is in place"
        _must(_run([PROVE], PROVE_SECONDS, {}), f"{said}; nothing was revoked")

    def revoke(self, version: Version, reason: str) -> None:
        """Revoke a version, then delete its files: nobody can go back to it by accident."""
        command = ["revoke", "--cert-path", str(version.file("cert")), "--reason", REASONS[reason]]
        if reason == LEAKED and version.file("privkey").exists():
            # Signed with its own key: that proves the leak, and the authority refuses the key from now on.
            command += ["--key-path", str(version.file("privkey"))]
        done = self._certbot(*command, "--no-delete-after-revoke")
        if not REVOKED_BEFORE.search(done.stdout):
            _must(done, f"Certificate {version.number} ({version.serial}) of {self.domain} was not revoked")
        for kind in KINDS:
            version.file(kind).unlink(missing_ok=True)

    def _certbot(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        if self._program is None:
            raise RegistryError(NO_CERTBOT)
        command = [self._program.program, *arguments, "--config", self._program.settings]
        return _run(command, CERTBOT_SECONDS, self._program.environment)


def _version(file: Path) -> Version:
    version = _read(file)
    if version is None:
        raise RegistryError(f"{file} cannot be read. Restore /etc/letsencrypt from a backup.")
    return version


def _read(file: Path) -> Version | None:
    try:
        certificate = x509.load_pem_x509_certificate(file.read_bytes())
    except (OSError, ValueError):
        return None
    return Version(file.parent, _number(file), certificate)


def _number(file: Path) -> int:
    found = re.fullmatch(r"cert([0-9]+)\.pem", file.name)
    return int(found[1]) if found else 0


def _run(command: list[str], seconds: float, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=seconds,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return subprocess.CompletedProcess(command, -1, f"{error}")


def _must(done: subprocess.CompletedProcess[str], sentence: str) -> None:
    if done.returncode == 0:
        return
    last = "\n".join(f"    {line}" for line in done.stdout.strip().splitlines()[-LAST_LINES:])
    remedy = f"The last lines that {done.args[0]} said follow; `journalctl -u {RENEWAL}` has the renewals before."
    raise RegistryError(f"{sentence}. {remedy}\n{last}")
