from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import build_zipapps
import pytest

SITE = "[lightship]\nregistry = https://registry.example.org\n"
PRESET = "[preset gpu]\ngpus = {}\n"


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    build_zipapps.main(["--dist", str(folder), "start-jupyter"])
    return folder / "start-jupyter"


@pytest.mark.parametrize(
    ("kind", "text", "status", "words"),
    [
        ("site", SITE + PRESET.format(1), 0, ""),
        ("site", SITE + PRESET.format("all"), 3, "in [preset gpu], gpus: 'all' is not a number of GPUs."),
        ("site", SITE + "[defaults]\ncolour = red\n", 3, "'colour' is not a setting."),
        ("cluster", "[cluster]\nhosts = a* b*\n" + PRESET.format("a100:2"), 0, ""),
        ("cluster", SITE, 3, "there is no section [lightship]."),
        ("site", SITE.replace("registry.e", "registry..e"), 3, "registry must be like"),
        ("cluster", "[cluster]\nhosts = a\nregistry = https://r.example.org:99999\n", 3, "the port of registry"),
        # Beside which file it will be is not known here.
        ("site", SITE + "ca_file = ca.pem\n", 0, ""),
        ("site", SITE + "ca_file = /no/such/ca.pem\n", 3, "which is not there."),
        ("site", SITE + f"ca_file = {Path(__file__)}\n", 3, "has no certificate in PEM form."),
    ],
)
def test_a_deployment_can_ask_before_users_do(
    command: Path, tmp_path: Path, kind: str, text: str, status: int, words: str
) -> None:
    (tmp_path / "new.ini").write_text(text)
    done = subprocess.run(
        [sys.executable, "-m", "lightship_cluster.config.check_settings", kind, str(tmp_path / "new.ini")],
        env={**os.environ, "PYTHONPATH": str(command)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == status
    assert words in done.stderr


def test_what_is_read_from_standard_input_is_for_another_host(command: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "lightship_cluster.config.check_settings", "site", "-"],
        env={**os.environ, "PYTHONPATH": str(command)},
        input=SITE + "ca_file = /no/such/ca.pem\n",
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    "preset", [PRESET.format("all"), "[preset gpu]\nmemory = much\n", "[defaults]\ncolour = red\n"]
)
def test_a_fault_of_standard_input_names_no_file(command: Path, preset: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "lightship_cluster.config.check_settings", "cluster", "-"],
        env={**os.environ, "PYTHONPATH": str(command)},
        input="[cluster]\nhosts = *\n" + preset,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.stderr.startswith("The settings are wrong: "), done.stderr
    assert "/dev/" not in done.stderr
