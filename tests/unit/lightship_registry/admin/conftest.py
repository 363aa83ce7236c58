from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pytest

from lightship_registry.admin import host, service_control
from lightship_registry.admin.cli import main
from unit.lightship_registry.testbed import Testbed


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
