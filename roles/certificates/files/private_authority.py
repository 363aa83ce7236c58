"""The private authority of a site: a root that may sign for one domain alone, and what it signs."""

from __future__ import annotations

import secrets
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path

from certificate_failure import FailureError
from certificate_files import archive, numbers, of_version, point_to

ROOT_DAYS, DAYS, LEFT_DAYS = 3650, 90, 30
DAY_SECONDS = 86400
SECONDS = 60
# Positive, and of at most twenty bytes.
SERIAL_BITS = 127
KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
LEAF = """\
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
subjectAltName = critical, {names}
"""
ROOT = (
    "basicConstraints=critical,CA:TRUE,pathlen:0",
    "keyUsage=critical,keyCertSign,cRLSign",
    "nameConstraints=critical,permitted;DNS:{domain}",
)


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run openssl."""
    command = ["openssl", *map(str, arguments)]
    return subprocess.run(
        command, check=False, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SECONDS
    )


def openssl(*arguments: str | Path) -> None:
    """Run openssl; an error with what it said if it fails."""
    done = run(*arguments)
    if done.returncode:
        raise FailureError(
            "unknown",
            f"openssl {arguments[0]} made no certificate.",
            "See what it said, then run `systemctl start lightship-certificates`.",
            done.stderr.strip(),
        )


class Authority:
    """The private authority of a domain, in a folder that only root reads."""

    def __init__(self, folder: Path, domain: str) -> None:
        self._domain = domain
        self._folder = folder
        self.root = folder / "root.pem"
        self._key = folder / "root.key"

    def make(self) -> bool:
        """Make the root if there is none; whether it was made."""
        if self.root.exists() and self._key.exists():
            return False
        if self.root.exists():
            raise FailureError(
                "files-damaged",
                f"{self._key} is missing, so {self.root} can sign no certificate.",
                f"Restore /etc/letsencrypt from the backup, or delete {self.root}: then a new one is made, which "
                "browsers and clusters have to be given.",
            )
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self._folder) as name:
            key, root = Path(name, "key"), Path(name, "pem")
            more = [word for each in ROOT for word in ("-addext", each.format(domain=self._domain))]
            subject = ("-subj", f"/CN=Private authority of {self._domain}"[: len("/CN=") + 64])
            openssl("req", "-x509", *KEY, "-keyout", key, "-out", root, "-days", str(ROOT_DAYS), *subject, *more)
            # The root last: a key without it has signed nothing.
            key.replace(self._key)
            root.replace(self.root)
        return True

    def sign(self, lineage: Path) -> int:
        """Make a key and a certificate for the domain, and put them in place; the number of their version."""
        archive(lineage).mkdir(mode=0o700, parents=True, exist_ok=True)
        lineage.mkdir(mode=0o700, parents=True, exist_ok=True)
        number = max(numbers(lineage), default=0) + 1
        with tempfile.TemporaryDirectory(dir=archive(lineage)) as name:
            made = {kind: Path(name, kind) for kind in of_version(lineage, number)}
            request = Path(name, "request")
            openssl("req", "-new", *KEY, "-keyout", made["privkey"], "-out", request, "-subj", "/")
            made["fullchain"].write_text(self.certify(request, [self._domain, f"*.{self._domain}"]), "ascii")
            openssl("x509", "-in", made["fullchain"], "-out", made["cert"])
            made["chain"].write_bytes(self.root.read_bytes())
            for kind, file in of_version(lineage, number).items():
                made[kind].chmod(0o600)
                made[kind].replace(file)
        point_to(lineage, number)
        return number

    def certify(self, request: Path, names: Iterable[str]) -> str:
        """Return a certificate, and the root after it, for the key of a request and for these names.

        Nothing but the key is taken from the request, whatever else it asks for.
        """
        with tempfile.TemporaryDirectory(dir=self._folder) as name:
            extensions, made = Path(name, "extensions"), Path(name, "made")
            extensions.write_text(LEAF.format(names=", ".join(f"DNS:{each}" for each in names)), "ascii")
            signer = ("-CA", self.root, "-CAkey", self._key, "-set_serial", str(secrets.randbits(SERIAL_BITS) + 1))
            openssl("x509", "-req", "-in", request, *signer, "-days", str(DAYS), "-extfile", extensions, "-out", made)
            return made.read_text("ascii") + self.root.read_text("ascii")

    def is_due(self, certificate: Path) -> bool:
        """Tell whether there is no certificate of this root, or none for much longer."""
        checks = (
            ("verify", "-CAfile", self.root, certificate),
            ("x509", "-noout", "-checkend", str(LEFT_DAYS * DAY_SECONDS), "-in", certificate),
        )
        return not certificate.exists() or any(run(*check).returncode for check in checks)
