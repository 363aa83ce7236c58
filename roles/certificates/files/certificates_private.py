#!/usr/bin/env -S python3 -B
"""Be the authority of a site that has none: make a root once, and a certificate before the last one's end.

For trials and closed networks. The root may sign for this domain alone, which browsers and OpenSSL check: a browser
that trusts it trusts it for nothing else.
"""

from __future__ import annotations

import argparse
import configparser
import secrets
import subprocess
import sys
import tempfile
from pathlib import Path

import certificate_failure
import certificate_settings
from certificate_failure import FailureError, report
from certificate_files import archive, certificates, numbers, of_version, point_to, serial

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
subjectAltName = critical, DNS:{domain}, DNS:*.{domain}
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
            request, extensions = Path(name, "request"), Path(name, "extensions")
            extensions.write_text(LEAF.format(domain=self._domain), "ascii")
            openssl("req", "-new", *KEY, "-keyout", made["privkey"], "-out", request, "-subj", "/")
            signer = ("-CA", self.root, "-CAkey", self._key, "-set_serial", str(secrets.randbits(SERIAL_BITS) + 1))
            openssl(
                "x509", "-req", "-in", request, *signer, "-days", str(DAYS), "-extfile", extensions,
                "-out", made["cert"],
            )  # fmt: skip
            made["chain"].write_bytes(self.root.read_bytes())
            made["fullchain"].write_bytes(made["cert"].read_bytes() + self.root.read_bytes())
            for kind, file in of_version(lineage, number).items():
                made[kind].chmod(0o600)
                made[kind].replace(file)
        point_to(lineage, number)
        return number

    def is_due(self, certificate: Path) -> bool:
        """Tell whether there is no certificate of this root, or none for much longer."""
        checks = (
            ("verify", "-CAfile", self.root, certificate),
            ("x509", "-noout", "-checkend", str(LEFT_DAYS * DAY_SECONDS), "-in", certificate),
        )
        return not certificate.exists() or any(run(*check).returncode for check in checks)


def renew(section: configparser.SectionProxy, *, always: bool) -> list[str]:
    """Do what there is to do, and return it in words."""
    certificate_failure.forget()
    lineage = Path(section["lineage"])
    authority = Authority(Path(section["authority"]), section["domain"])
    news = [f"A new private authority was made: {authority.root}."] if authority.make() else []
    if always or authority.is_due(lineage / "cert.pem"):
        number = authority.sign(lineage)
        made = certificates(lineage / "cert.pem")[0]
        news.append(f"Certificate {number} of {section['domain']} was made, with serial {serial(made)}.")
    return news


def main(argv: list[str]) -> int:
    """Return 0 when all is well, 1 when a person has to look."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument(
        "--settings", default=certificate_settings.SETTINGS, help="settings file (default: %(default)s)"
    )
    parser.add_argument("--renew", action="store_true", help="make a new key and certificate, also if none is due")
    options = parser.parse_args(argv)
    try:
        news = renew(certificate_settings.read(options.settings), always=options.renew)
    except (FailureError, OSError, subprocess.TimeoutExpired) as error:
        return report("certificates-private", error)
    print("\n".join(news) or "No certificate is due.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
