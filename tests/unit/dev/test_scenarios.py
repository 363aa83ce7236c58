"""Which scenarios run when, and what the sum of the tests says of one that never came to its tests."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import count_tests
import pytest

from unit.dev.test_openpbs import OFFLINE

DEV = Path(__file__).parents[3] / "scripts" / "dev"
# In Molecule's place: notes what it was asked for, and ends as the test says.
STAND_IN = """#!/bin/bash
[[ $1 == reset ]] && exit
echo "$1 $3 ${BED_VERIFY:-}" >>asked
[[ " $BROKEN " != *" $3 "* ]] || exit 1
[[ ${BED_VERIFY:-} ]] && exit
echo '<testsuites><testsuite><testcase name="good"/></testsuite></testsuites>' >".bed/results/$3.xml"
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    scripts = tmp_path / "scripts" / "dev"
    scripts.mkdir(parents=True)
    for name in ("engine.sh", "openpbs.sh", "scenario.sh", "scenarios.sh"):
        shutil.copy(DEV / name, scripts)
    (tmp_path / ".bed" / "results").mkdir(parents=True)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "molecule").write_text(STAND_IN)
    (tmp_path / "bin" / "molecule").chmod(0o755)
    return tmp_path


def run(checkout: Path, *names: str, broken: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [checkout / "scripts" / "dev" / "scenarios.sh", *names],
        env={**os.environ, **OFFLINE, "PATH": f"{checkout / 'bin'}:{os.environ['PATH']}", "BROKEN": broken},
        cwd=checkout,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_service_is_deployed_before_anything_is_tested(checkout: Path) -> None:
    done = run(checkout, "default", "dns_zone", "web_proxy")
    assert done.returncode == 0, done.stderr
    first, *others = (checkout / "asked").read_text().splitlines()
    assert first == "test default false"
    assert sorted(others) == ["test dns_zone ", "test web_proxy ", "verify default "]
    assert others.index("test dns_zone ") < others.index("test web_proxy ")


def test_only_what_is_asked_for_runs(checkout: Path) -> None:
    assert run(checkout, "web_proxy").returncode == 0
    assert (checkout / "asked").read_text() == "test web_proxy \n"


def test_a_name_that_is_none_is_refused(checkout: Path) -> None:
    done = run(checkout, "web_proxy", "web-proxy")
    assert done.returncode == 1
    assert "There is no scenario web-proxy. There are: default dns_zone" in done.stderr
    assert not (checkout / "asked").exists()


def test_a_scenario_that_never_came_to_its_tests_is_named(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done = run(checkout, "dns_zone", "web_proxy", "cluster_tools", broken="web_proxy")
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1] == "Scenarios that failed: web_proxy"
    assert count_tests.main([str(checkout / ".bed" / "results")]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "FAILED molecule::web_proxy: ended before its tests; what it printed says why",
        "2 passed, 1 failed",
    ]


def test_a_service_that_was_not_deployed_well_is_named_though_its_tests_pass(
    checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stand_in = checkout / "bin" / "molecule"
    stand_in.write_text(STAND_IN.replace("[[ ", "[[ ${BED_VERIFY:-} ]] && exit 1; [[ ", 1))
    assert run(checkout, "default").returncode == 1
    assert (checkout / "asked").read_text() == "verify default \n"
    assert count_tests.main([str(checkout / ".bed" / "results")]) == 1
    assert "FAILED molecule::default" in capsys.readouterr().out


def test_without_a_name_all_of_them_run_and_what_is_deployed_is_not_deployed_again(checkout: Path) -> None:
    assert run(checkout, "--deployed").returncode == 0
    asked = (checkout / "asked").read_text().splitlines()
    there = {path.parent.name for path in (DEV.parents[1] / "tests" / "molecule").glob("*/molecule.yml")}
    # There is no OpenPBS beside this checkout.
    assert {line.split()[1] for line in asked} == there - {"pbs"}
    assert "verify default " in asked
    assert "test default false" not in asked
