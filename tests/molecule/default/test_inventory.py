"""A wrong or missing value stops the run before the first change, with a sentence that says what to set."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from support.bed import REPOSITORY

ANSIBLE = REPOSITORY / "ansible"
INVENTORY = REPOSITORY / "tests" / "molecule" / "inventory"
EXAMPLE = REPOSITORY / "inventory.example"
# Each run waits for its hosts half of its time.
AT_ONCE = 3

# Of roles whose preflights ask nothing of a host, one each: tests/unit/ansible/test_role_preflights.py has the others.
# A variable, the value that a site gives it by mistake, and the words of the sentence that it is answered with.
WRONG = [
    ("lightship_domain", "", "Set lightship_domain in the inventory"),
    ("lightship_domain", "notebooks", "Set it to the name under which every link gets its own"),
    ("lightship_domain", "Notebooks.Example.org", "lower case"),
    ("lightship_https_port", "https", "lightship_https_port is"),
    ("lightship_https_port", 70000, "Set it to a port from 1 to 65535"),
    ("lightship_https_port", 22, "is 22, where sshd (ssh.service) of this host listens already"),
    ("lightship_proxy_address", "", "Set lightship_proxy_address in the inventory"),
    ("lightship_proxy_address", "203.0.113.10", "set lightship_proxy_behind_nat=true"),
    ("lightship_domian", "notebooks.example.org", "Did you mean lightship_domain?"),
    ("certificates_emial", "root@example.org", "certificates_emial is not a variable of Lightship."),
    (
        "cluster_tools_cluster",
        "Demo Cluster",
        "Set cluster_tools_cluster of every cluster to a short name",
    ),
    ("cluster_tools_compute_networks", [], "cluster_tools_compute_networks"),
    ("cluster_tools_compute_networks", "10.1.0.0/16", 'write it as a list, ["one", "two"]'),
    ("cluster_tools_compute_networks", ["10.89.77.31/24"], "Write 10.89.77.0/24."),
    ("cluster_tools_prefix", "/etc/hostname/lightship", "Set it to a path that root of this login node may write"),
    ("cluster_tools_scheduler_path", "/nowhere", "Set cluster_tools_scheduler_path to their folders"),
    ("cluster_tools_poll_seconds", 0, "Set it to a whole number from 1 to 60."),
    ("cluster_tools_default_partition", "nosuch", 'names the partition "nosuch", and the cluster has compute'),
    ("link_registry_user_quota", "many", "set it to a whole number"),
    ("web_proxy_worker_connections", 512, "Set it above web_proxy_keepalive_connections (512)"),
    ("ssh_gateway_tunnels", "alice", 'write it as a list, ["one", "two"]'),
    (
        "ssh_gateway_tunnels",
        [{"cluster": "dmeo", "user": "alice", "listen": ["localhost:18888"]}],
        'lets alice of "dmeo" open tunnels, and there is no such cluster',
    ),
    (
        "ssh_gateway_tunnels",
        [{"user": "alice", "listen": ["localhost:18888"]}],
        "Give it either key, or cluster and user",
    ),
    (
        "ssh_gateway_tunnels",
        [{"cluster": "demo", "user": "alice", "listen": ["18888"]}],
        "Set listen to a list of ADDRESS:PORT",
    ),
    ("notebook_image_engine", "lxc", "set it to one of auto, podman, docker"),
    ("notebook_image_engine", "docker", "has no docker. Install Podman or Docker there"),
    ("notebook_image_folder", "images", "Set it to an absolute path"),
    ("notebook_image_base_image", "debian trixie", "Set it to the name of a Debian or Ubuntu image"),
]

# A line of the example, what it becomes by mistake, and the answer.
MISTAKES = [
    ("[proxy]", "[prox]", "[proxy] has 0 hosts and needs exactly one"),
    (
        "proxy.example.org",
        "proxy.example.org\nproxy2.example.org",
        "[proxy] has 2 hosts and needs exactly one",
    ),
    ("[clusters:children]\ndemo", "[cluster:children]\ndemo", "The group clusters has no hosts"),
    (
        "[clusters:children]\ndemo",
        "[clusters]\nlost.example.org",
        "lost.example.org is in the group clusters without cluster_tools_cluster",
    ),
    ("cluster_tools_cluster=demo", "", "without cluster_tools_cluster and cluster_tools_compute_networks"),
    ("cluster_tools_cluster=demo", "cluster_tools_claster=demo", "without cluster_tools_cluster"),
    ("cluster_tools_cluster=demo", "cluster_tools_cluster=demo\ncluster_tools_scheduler=lsf", "or leave it empty"),
    ("lightship_domain=notebooks.example.org", "", "Set lightship_domain in the inventory: The domain under which"),
    (
        "lightship_domain=notebooks.example.org",
        "lightship_domian=notebooks.example.org",
        "Did you mean lightship_domain?",
    ),
    ("lightship_proxy_address=203.0.113.10", "", "Set lightship_proxy_address in the inventory"),
]


@pytest.fixture(scope="module", autouse=True)
def facts_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep what Ansible found out of the bed's hosts from one run to the next."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ANSIBLE_CACHE_PLUGIN", "ansible.builtin.jsonfile")
        patch.setenv("ANSIBLE_CACHE_PLUGIN_CONNECTION", str(tmp_path_factory.mktemp("facts")))
        yield


Answers = dict[tuple[str, str], Future[subprocess.CompletedProcess[str]]]


@pytest.fixture(scope="module")
def answers(request: pytest.FixtureRequest) -> Iterator[Answers]:
    """Return what each wrong value will be answered with. None changes anything: some run while others are read."""
    functions = (item for item in request.session.items if isinstance(item, pytest.Function))
    asked = [item.callspec.params for item in functions if "answers" in item.fixturenames]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield {
            (str(each["name"]), repr(each["value"])): pool.submit(
                validate, INVENTORY, "--extra-vars", json.dumps({each["name"]: each["value"]})
            )
            for each in asked
        }
        pool.shutdown(cancel_futures=True)


def validate(inventory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `site.yml`, by default all of it, as an administrator does."""
    return subprocess.run(
        ["ansible-playbook", "-i", str(inventory), "site.yml", *arguments],
        cwd=ANSIBLE,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def said(done: subprocess.CompletedProcess[str]) -> str:
    """Return what a run said as one line, however it was folded."""
    return " ".join((done.stdout + done.stderr).split())


def changes(output: str) -> int:
    """Return how many changes the recap counts on all hosts."""
    return sum(int(number) for number in re.findall(r"changed=(\d+)", output))


def test_the_beds_own_inventory_is_valid_and_nothing_changes() -> None:
    done = validate(INVENTORY, "--tags", "validate")
    assert done.returncode == 0, done.stdout + done.stderr
    assert changes(done.stdout) == 0


@pytest.mark.parametrize(("name", "value", "sentence"), WRONG, ids=[f"{name}={value}" for name, value, _ in WRONG])
def test_a_wrong_value_stops_the_whole_run_before_the_first_change(
    answers: Answers, name: str, value: object, sentence: str
) -> None:
    done = answers[name, repr(value)].result()
    assert done.returncode != 0
    assert sentence in said(done)
    assert name in said(done)
    assert changes(done.stdout) == 0
    # A sentence for people, once, and nothing of our own files.
    assert said(done).count(sentence) == 1
    assert "Origin:" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("line", "mistake", "sentence"), MISTAKES, ids=[mistake or line for line, mistake, _ in MISTAKES]
)
def test_a_mistake_in_the_example_is_told_before_any_host_is_asked(
    line: str, mistake: str, sentence: str, tmp_path: Path
) -> None:
    text = EXAMPLE.read_text()
    assert f"\n{line}\n" in text
    inventory = tmp_path / "inventory"
    inventory.write_text(text.replace(f"\n{line}\n", f"\n{mistake}\n"))
    done = validate(inventory)
    assert done.returncode != 0
    # Once, though a cluster has two login nodes.
    assert said(done).count(sentence) == 1
    assert "UNREACHABLE" not in said(done)


def test_the_example_is_right_but_for_hosts_that_do_not_exist(tmp_path: Path) -> None:
    inventory = tmp_path / "inventory"
    shutil.copy(EXAMPLE, inventory)
    done = validate(inventory)
    assert "unreachable=1" in done.stdout
    assert not re.search(r"failed=[1-9]|changed=[1-9]", done.stdout), done.stdout + done.stderr


def test_an_empty_inventory_is_told() -> None:
    done = validate(Path("/dev/null"))
    assert done.returncode != 0
    assert "Copy inventory.example to inventory" in said(done)
