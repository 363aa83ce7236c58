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
    ],
)
def test_a_deployment_can_ask_before_users_do(
    command: Path, tmp_path: Path, kind: str, text: str, status: int, words: str
) -> None:
    (tmp_path / "new.ini").write_text(text)
    done = subprocess.run(
        [sys.executable, "-m", "lightship_cluster.check_settings", kind, str(tmp_path / "new.ini")],
        env={**os.environ, "PYTHONPATH": str(command)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == status
    assert words in done.stderr
