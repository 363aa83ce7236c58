"""Which scenarios run when, and what the sum of the tests says of one that never came to its tests."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import count_tests
import pytest
import yaml

from unit.dev.test_openpbs import OFFLINE

DEV = Path(__file__).parents[3] / "scripts" / "dev"
SCENARIOS = DEV.parents[1] / "tests" / "molecule"
HOSTS = "lightship-proxy13 lightship-login"
# In Molecule's place: notes what it was asked for, and ends as the test says.
STAND_IN = """#!/bin/bash
[[ $1 == reset ]] && exit
[[ $1 != converge ]] || { echo "$1 $3" >>asked; exit; }
echo "$1 $3 ${BED_VERIFY:-}" >>asked
[[ " $BROKEN " != *" $3 "* ]] || exit 1
[[ ${BED_VERIFY:-} ]] && exit
echo '<testsuites><testsuite><testcase name="good"/></testsuite></testsuites>' >".bed/results/$3.xml"
"""


# In the engine's and in Ansible's place: knows the hosts that there are, and notes those that are made.
ENGINE = """#!/bin/bash
[[ " $THERE " == *" $3 "* ]]
"""
ANSIBLE = """#!/bin/bash
echo "${@:3}" >>asked
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    scripts = tmp_path / "scripts" / "dev"
    scripts.mkdir(parents=True)
    for name in ("engine.sh", "openpbs.sh", "scenario.sh", "scenarios.sh"):
        shutil.copy(DEV / name, scripts)
    (scripts / "bed.sh").write_text("#!/bin/sh\n")
    (scripts / "bed.sh").chmod(0o755)
    (tmp_path / ".bed" / "results").mkdir(parents=True)
    (tmp_path / "bin").mkdir()
    for name, text in {"molecule": STAND_IN, "podman": ENGINE, "ansible-playbook": ANSIBLE}.items():
        (tmp_path / "bin" / name).write_text(text)
        (tmp_path / "bin" / name).chmod(0o755)
    for path in SCENARIOS.glob("*/molecule.yml"):
        (tmp_path / path.relative_to(DEV.parents[1]).parent).mkdir(parents=True)
        shutil.copy(path, tmp_path / path.relative_to(DEV.parents[1]))
    return tmp_path


def run(checkout: Path, *names: str, broken: str = "", there: str = HOSTS) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [checkout / "scripts" / "dev" / "scenarios.sh", *names],
        env={
            **os.environ,
            **OFFLINE,
            "PATH": f"{checkout / 'bin'}:{os.environ['PATH']}",
            "CONTAINER_ENGINE": "podman",
            "BROKEN": broken,
            "THERE": there,
        },
        cwd=checkout,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_service_is_deployed_before_anything_is_tested(checkout: Path) -> None:
    done = run(checkout, "default", "dns_zone", "certificates")
    assert done.returncode == 0, done.stderr
    first, *others = (checkout / "asked").read_text().splitlines()
    assert first == "test default false"
    assert sorted(others) == ["test certificates ", "test dns_zone ", "verify default "]
    assert others.index("test dns_zone ") < others.index("test certificates ")


def test_only_what_is_asked_for_runs(checkout: Path) -> None:
    assert run(checkout, "web_proxy").returncode == 0
    assert (checkout / "asked").read_text().splitlines()[-1] == "test web_proxy "


def test_a_roles_scenario_makes_its_hosts_and_what_it_builds_on_once(checkout: Path) -> None:
    assert run(checkout, "web_proxy", there="").returncode == 0
    made, *others = (checkout / "asked").read_text().splitlines()
    assert made.endswith("create.yml --limit localhost,acme,bed_roles")
    before = ["converge dns_zone", "converge certificates", "converge link_registry"]
    assert others == [*before, "test web_proxy "]
    assert run(checkout, "ssh_gateway").returncode == 0
    assert (checkout / "asked").read_text().splitlines()[-2:] == ["test web_proxy ", "test ssh_gateway "]


def test_a_role_of_the_login_nodes_has_the_cluster_and_the_proxy_that_it_asks(checkout: Path) -> None:
    assert run(checkout, "cluster_tools", there="lightship-proxy13").returncode == 0
    made, *others = (checkout / "asked").read_text().splitlines()
    assert made.endswith("create.yml --limit localhost,acme,proxy,bed_cluster")
    assert others == ["ansible/proxy.yml", "test cluster_tools "]


def test_what_a_role_builds_on_is_not_remembered_where_it_failed(checkout: Path) -> None:
    stand_in = checkout / "bin" / "molecule"
    stand_in.write_text(STAND_IN.replace(">>asked; exit;", ">>asked; exit 1;"))
    done = run(checkout, "web_proxy", there="")
    assert done.returncode == 1
    assert (checkout / "asked").read_text().splitlines()[1:] == ["converge dns_zone"]
    assert not (checkout / ".bed" / "applied").exists()
    assert count_tests.main([str(checkout / ".bed" / "results")]) == 1


@pytest.mark.parametrize("path", sorted(SCENARIOS.glob("*/molecule.yml")), ids=lambda path: path.parent.name)
def test_a_role_comes_after_those_that_it_builds_on(path: Path) -> None:
    settings = yaml.safe_load(path.read_text())["ansible"].get("env", {})
    listed = dict(re.findall(r"^(on_\w+)=\((.*)\)$", (DEV / "scenarios.sh").read_text(), re.MULTILINE))
    lists = {"bed_roles": "on_both_hosts", "proxy13": "on_trixie", "proxy12": "on_bookworm", "login": "on_login"}
    of_hosts = lists.get(settings.get("ROLE_HOSTS", ""))
    assert [name for name, listed_names in listed.items() if path.parent.name in listed_names.split()] == (
        [of_hosts] if of_hosts else []
    )
    order = [*listed["on_both_hosts"].split(), *(listed[of_hosts].split() if of_hosts else [])]
    for other in settings.get("ROLE_AFTER", "").split():
        assert other.endswith(".yml") or order.index(other) < order.index(path.parent.name)


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
    (checkout / ".bed" / "applied").write_text("proxy.yml\n")
    assert run(checkout, "--deployed").returncode == 0
    asked = (checkout / "asked").read_text().splitlines()
    there = {path.parent.name for path in SCENARIOS.glob("*/molecule.yml")}
    # There is no OpenPBS beside this checkout.
    assert {line.split()[1] for line in asked} == there - {"pbs"}
    assert "verify default " in asked
    assert "test default false" not in asked
