"""The test bed's Apptainer comes from Debian's unstable release, which drops a version when the next one comes."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

IMAGES = Path(__file__).parents[3] / "images" / "testhost"
PREFERENCES = IMAGES / "site" / "apt-preferences"
PINNED = next(
    line.removeprefix("Pin: version ").rstrip("*")
    for line in PREFERENCES.read_text().splitlines()
    if line.startswith("Pin: version ")
)


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


@pytest.mark.parametrize(
    ("versions", "taken"),
    [
        # Built anew for one architecture, it has a suffix there.
        ([f"{PINNED}+b3"], f"{PINNED}+b3"),
        # A newer one beside it is left, and taken when it stands alone.
        (["99.0-1", PINNED], PINNED),
        (["99.0-1"], "99.0-1"),
    ],
)
def test_the_version_that_was_tried_is_taken_while_there_is_one(
    versions: list[str], taken: str, tmp_path: Path
) -> None:
    assert candidates(tmp_path, {"apptainer": versions})["apptainer"] == taken


def test_the_build_says_when_another_was_taken(tmp_path: Path) -> None:
    text = (IMAGES / "Containerfile").read_text()
    step = next(part for part in text.split("\nRUN ") if part.startswith("wanted="))
    command = step.split("\nWORKDIR")[0].split("\n# ")[0].replace("/etc/apt/preferences.d/sid", str(PREFERENCES))
    program = tmp_path / "dpkg-query"
    said = {}
    for version in (PINNED, f"{PINNED}+b1", "99.0-1"):
        program.write_text(f"#!/bin/sh\nprintf %s '{version}'\n")
        program.chmod(0o755)
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-c", f"PATH={tmp_path}:$PATH; {command}"],
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        )
        said[version] = done.stdout
    assert said[PINNED] == said[f"{PINNED}+b1"] == ""
    assert "NOTICE: Debian has apptainer 99.0-1" in said["99.0-1"]
    # The command itself stands in the log as well and must not look like its notice.
    assert "NOTICE: " not in text
