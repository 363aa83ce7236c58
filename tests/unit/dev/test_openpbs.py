"""Where the test bed's OpenPBS comes from, and what a run says where it comes from nowhere."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import count_tests
import pytest

DEV = Path(__file__).parents[3] / "scripts" / "dev"
ARCHIVE = Path(__file__).parents[4] / "shared" / "openpbs" / "openpbs-23.06.06-trixie.tar.gz"
SENTENCE = "so what needs a PBS cluster is not run."
# A proxy that is none: nothing is fetched.
OFFLINE = {"https_proxy": "http://127.0.0.1:9", "HTTPS_PROXY": "http://127.0.0.1:9"}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    scripts = tmp_path / "lightship" / "scripts" / "dev"
    scripts.mkdir(parents=True)
    for name in ("openpbs.sh", "engine.sh", "scenario.sh"):
        shutil.copy(DEV / name, scripts)
    (tmp_path / "lightship" / ".bed" / "results").mkdir(parents=True)
    (tmp_path / "shared" / "openpbs").mkdir(parents=True)
    return tmp_path / "lightship"


def run(checkout: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [checkout / "scripts" / "dev" / command[0], *command[1:]],
        env={**os.environ, **OFFLINE},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("bytes_there", [None, b"", b"another build of it"])
def test_what_is_nowhere_or_is_not_what_it_should_be_is_told_in_one_sentence(
    checkout: Path, bytes_there: bytes | None
) -> None:
    if bytes_there is not None:
        (checkout.parent / "shared" / "openpbs" / ARCHIVE.name).write_bytes(bytes_there)
    done = run(checkout, "openpbs.sh")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.endswith(f"{SENTENCE}\n")
    assert done.stderr.count("\n") == 1
    assert not (checkout / ".bed" / "openpbs" / "openpbs.tar.gz").exists()


def test_a_source_that_somebody_changed_is_not_built(checkout: Path) -> None:
    kept = checkout / ".bed" / "openpbs"
    (kept / "openpbs-changed").mkdir(parents=True)
    (kept / "openpbs-changed" / "autogen.sh").write_text("#!/bin/sh\n")
    subprocess.run(["tar", "-czf", "openpbs.tar.gz", "openpbs-changed"], cwd=kept, check=True, timeout=60)
    (kept / "kind").write_text("source\n")
    done = run(checkout, "openpbs.sh")
    assert (done.returncode, done.stdout) == (1, "")
    assert SENTENCE in done.stderr


@pytest.mark.skipif(
    not ARCHIVE.exists() or os.uname().machine != "x86_64", reason="there is no OpenPBS for this machine"
)
def test_what_was_built_is_taken_from_beside_the_checkout(checkout: Path) -> None:
    (checkout.parent / "shared" / "openpbs" / ARCHIVE.name).symlink_to(ARCHIVE)
    done = run(checkout, "openpbs.sh")
    assert (done.returncode, done.stdout) == (0, "built\n"), done.stderr
    assert (checkout / ".bed" / "openpbs" / "openpbs.tar.gz").stat().st_size == ARCHIVE.stat().st_size


def test_the_scenario_is_then_neither_passed_nor_failed(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done = run(checkout, "scenario.sh", "pbs")
    assert done.returncode == 0
    assert SENTENCE in done.stderr
    results = checkout / ".bed" / "results"
    (results / "unit.xml").write_text('<testsuites><testsuite><testcase name="good"/></testsuite></testsuites>')
    assert count_tests.main([str(results)]) == 0
    told, summed = capsys.readouterr().out.splitlines()
    assert told.startswith("NOT RUN molecule::pbs: OpenPBS is neither in ../shared/openpbs nor")
    assert told.endswith(SENTENCE)
    assert summed == "1 passed, 0 failed, 1 not run"
