"""Fake commands of schedulers: they print what was recorded, and note how they were called."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from unit.lightship_cluster.fake_programs import program

Command = Callable[..., Path]


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    def make(name: str, out: str = "", error: str = "", status: int = 0) -> Path:
        noted = tmp_path / f"{name}.noted"
        program(
            tmp_path / name,
            f"#!{sys.executable}\nimport json, os, sys\n"
            f"json.dump([sys.argv[1:], dict(os.environ)], open({str(noted)!r}, 'w'))\n"
            f"print({out!r}, end='')\nprint({error!r}, end='', file=sys.stderr)\nsys.exit({status})\n",
        )
        return noted

    return make
