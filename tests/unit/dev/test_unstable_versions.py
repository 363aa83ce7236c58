"""Some programs of the test bed come from Debian's unstable release, which drops a version when the next one comes."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[3] / "images" / "testhost" / "unstable"
PREFERENCES = FOLDER / "preferences"
PINNED = dict(re.findall(r"^Package: (\S+)\nPin: version (\S+)\*$", PREFERENCES.read_text(), re.MULTILINE))
PINS = pytest.mark.parametrize(("package", "pinned"), PINNED.items())


def candidates(folder: Path, offered: dict[str, list[str]]) -> dict[str, str]:
    """What apt itself would install of each package, where a mirror of sid offers these versions."""
    mirror = folder / "mirror"
    mirror.mkdir()
    stanzas = [
        f"Package: {name}\nVersion: {version}\nArchitecture: all\nFilename: ./{name}.deb\nSize: 1\nSHA256: {'0' * 64}\n"
        for name, versions in offered.items()
        for version in versions
    ]
    (mirror / "Packages").write_text("\n".join(stanzas))
    (mirror / "Release").write_text("Suite: unstable\nCodename: sid\nDate: Mon, 01 Jan 2024 00:00:00 UTC\n")
    (folder / "sources.list").write_text(f"deb [trusted=yes] file:{mirror} ./\n")
    for place in ("lists/partial", "cache/archives/partial", "parts"):
        (folder / place).mkdir(parents=True)
    (folder / "status").touch()
    options = {
        "Dir::State::Lists": folder / "lists",
        "Dir::State::status": folder / "status",
        "Dir::Cache": folder / "cache",
        "Dir::Etc::SourceList": folder / "sources.list",
        "Dir::Etc::SourceParts": folder / "parts",
        "Dir::Etc::Preferences": PREFERENCES,
        "Dir::Etc::PreferencesParts": folder / "parts",
        "APT::Sandbox::User": "",
        "APT::Update::Post-Invoke-Success": "",
    }
    chosen = [part for key, value in options.items() for part in ("-o", f"{key}={value}")]
    subprocess.run(["apt-get", *chosen, "update"], check=True, capture_output=True, timeout=60)
    done = subprocess.run(
        ["apt-cache", *chosen, "policy", *offered], check=True, capture_output=True, text=True, timeout=60
    )
    lines = [line.split(": ", 1)[1] for line in done.stdout.splitlines() if line.startswith("  Candidate: ")]
    return dict(zip(offered, lines, strict=True))


@PINS
def test_the_version_that_was_tried_is_taken_while_there_is_one(package: str, pinned: str, tmp_path: Path) -> None:
    cases = [
        # Built anew for one architecture, it has a suffix there.
        ([f"{pinned}+b3"], f"{pinned}+b3"),
        # A newer one beside it is left, and taken when it stands alone.
        (["99.0-1", pinned], pinned),
        (["99.0-1"], "99.0-1"),
    ]
    for number, (versions, taken) in enumerate(cases):
        folder = tmp_path / str(number)
        folder.mkdir()
        assert candidates(folder, {package: versions})[package] == taken


@PINS
def test_the_build_says_when_another_was_taken(package: str, pinned: str, tmp_path: Path) -> None:
    # Its end, because the rest would change this machine.
    script = (FOLDER / "install").read_text().replace("/etc/apt/preferences.d/unstable", str(PREFERENCES))
    head, _, tail = script.partition("\n# The package lists")
    checks = head + tail[tail.index("\nfor package in") :]
    program = tmp_path / "dpkg-query"
    said = {}
    for version in (pinned, f"{pinned}+b1", "99.0-1"):
        program.write_text(f"#!/bin/sh\nprintf %s '{version}'\n")
        program.chmod(0o755)
        done = subprocess.run(
            ["bash", "-c", f"PATH={tmp_path}:$PATH; {checks}", "install", package, "less"],
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        )
        said[version] = done.stdout
    assert said[pinned] == said[f"{pinned}+b1"] == ""
    assert f"NOTICE: Debian has {package} 99.0-1" in said["99.0-1"]
    assert "less" not in said["99.0-1"]
