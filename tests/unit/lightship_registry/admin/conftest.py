from __future__ import annotations

import datetime as dt
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from lightship_registry.admin import host, service_control
from lightship_registry.admin.cli import main
from unit.lightship_registry.testbed import DOMAIN, Testbed

NAMES = (DOMAIN, f"*.{DOMAIN}")


@dataclass
class Desk:
    """A registry and the command `lightship` for it."""

    testbed: Testbed
    config: Path
    capture: pytest.CaptureFixture[str]
    out: str = ""
    err: str = ""

    def run(self, *arguments: str) -> int:
        self.capture.readouterr()
        status = main(["--config", str(self.config), *arguments])
        self.out, self.err = self.capture.readouterr()
        return status

    def published(self, user: str = "alice", port: int = 4567) -> dict[str, Any]:
        made = self.testbed.create(user, seconds=7200)
        self.testbed.claim(made)
        self.testbed.publisher.publish(self.testbed.links.of_secret(made["name"], made["secret"]), f"10.1.2.3:{port}")
        return made

    @property
    def orders(self) -> dict[str, str]:
        return {path.name: path.read_text() for path in self.testbed.settings.folders.cut_dir.iterdir()}


def write_config(testbed: Testbed, path: Path) -> Path:
    kept = testbed.settings.folders
    folders = [f'{field.name} = "{getattr(kept, field.name)}"\n' for field in fields(kept)]
    clusters = '[clusters.demo]\nnetworks = ["127.0.0.0/8"]\n[clusters.other]\nnetworks = ["10.0.0.0/8"]\n'
    top = f'domain = "{testbed.settings.domain}"\nhttps_port = 8443\naudit_file = "{path.parent}/audit.jsonl"\n'
    tunnels = [
        f'[[tunnels]]\ncluster = "{owner.cluster}"\nuser = "{owner.user}"\nlisten = {list(places)}\n'
        for owner, places in testbed.settings.tunnels.items()
    ]
    path.write_text(f"{top}{''.join(folders)}{clusters}{''.join(tunnels)}")
    return path


def write_certificate(
    path: Path, names: tuple[str, ...] = NAMES, *, age: float = 10, left: float = 80, organisation: str = ""
) -> Path:
    """A certificate of its own making and its key in one file, by the days of its life."""
    key = ec.generate_private_key(ec.SECP256R1())
    now = dt.datetime.now(dt.UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation)] if organisation else [])
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=age))
        .not_valid_after(now + dt.timedelta(days=left))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(made.public_bytes(Encoding.PEM) + private)
    return path


@pytest.fixture
def desk(
    testbed: Testbed, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Desk]:
    # Audit lines go to standard error here, not to the journal of the machine that tests.
    monkeypatch.setattr(host, "JOURNAL", tmp_path / "no-journal")
    monkeypatch.setattr(service_control, "_systemctl", lambda *_: "inactive")
    monkeypatch.setenv("SUDO_USER", "ann")
    log = logging.getLogger("lightship")
    for name, value in (("handlers", []), ("propagate", True), ("level", logging.NOTSET)):
        monkeypatch.setattr(log, name, value)
    mask = os.umask(0o077)
    os.umask(mask)
    yield Desk(testbed, write_config(testbed, tmp_path / "registry.toml"), capsys)
    os.umask(mask)
