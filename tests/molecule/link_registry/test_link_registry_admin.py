"""Links, keys and backups as administrators see them, with the command `lightship` on the proxy host."""

from __future__ import annotations

import json
import re
import shlex
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from testinfra.host import Host

from support.deploy import registry_faults

testinfra_hosts = ["ssh://proxy13"]

REGISTRY = "/opt/lightship/registry"
STATE = "/var/lib/lightship"
CUT_FOLDER = "/run/lightship/cut"
CLUSTERS = "/etc/lightship/clusters"

PUBLISH = Path(__file__).with_name("publish_on_host.py").read_text(encoding="utf-8")

# A listener at a port of this host, a connection to it, and what becomes of that. Arguments: port, seconds to wait.
CONNECTION = """
import select, socket, sys
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
client = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
print("open", flush=True)
ready = select.select([client], [], [], float(sys.argv[2]))[0]
try:
    print("cut" if ready and not client.recv(1) else "kept", flush=True)
except ConnectionError:
    print("cut", flush=True)
"""


@pytest.fixture
def lightship(host: Host) -> Any:
    """Run the command, and return the JSON that it prints."""

    def run(*arguments: str) -> Any:
        return json.loads(host.check_output(shlex.join(["/usr/local/sbin/lightship", *arguments, "--json"])))

    return run


def publish(host: Host, *arguments: str) -> str:
    """Make a link; its name."""
    command = ["env", f"PYTHONPATH={REGISTRY}/lightship.pyz", f"{REGISTRY}/venv/bin/python", "-c", PUBLISH, *arguments]
    name: str = host.check_output(shlex.join(command)).strip()
    return name


@pytest.fixture
def connections(host: Host) -> Iterator[Any]:
    """Open connections to ports of the host itself, and read later what became of them."""
    ports: list[int] = []

    def open_(port: int, seconds: int = 90) -> Any:
        ports.append(port)
        command = shlex.join(["python3", "-c", CONNECTION, str(port), str(seconds)])
        host.check_output(f"nohup {command} >/tmp/connection-{port} 2>&1 & sleep 1")
        return lambda: host.check_output(f"tail -n 1 /tmp/connection-{port}")

    yield open_
    host.run("rm -f " + " ".join(f"/tmp/connection-{port}" for port in ports))


def test_the_doctor_finds_nothing_wrong(host: Host) -> None:
    assert registry_faults(host) == []
    findings = json.loads(host.run("/usr/local/sbin/lightship doctor --json").stdout)
    assert "open connections of ended links can be cut" in [finding["what"] for finding in findings]


def test_the_command_is_roots_alone(host: Host) -> None:
    command = host.file("/usr/local/sbin/lightship")
    assert (command.user, command.group, command.mode) == ("root", "root", 0o750)
    assert host.run("runuser -u nobody -- /usr/local/sbin/lightship links").rc != 0


def test_links_are_listed_and_revoked(host: Host, lightship: Any) -> None:
    name = publish(host, "alice", "10.89.77.31:4567")
    (link,) = [link for link in lightship("links", "--user", "alice") if link["name"] == name]
    assert (link["state"], link["target"], link["route"]) == ("ready", "10.89.77.31:4567", True)
    assert host.file(f"/run/lightship/routes/{name}").exists
    assert lightship("revoke", name, "--yes", "--reason", "test")["revoked"] == [name]
    assert not host.file(f"/run/lightship/routes/{name}").exists
    assert lightship("show", name)["cause"] == "revoked"
    journal = host.check_output("journalctl --no-pager -t lightship -o cat --since=-5min")
    assert name in journal


def test_what_is_open_to_an_ended_link_is_cut_and_nothing_else(host: Host, lightship: Any, connections: Any) -> None:
    ended, other = publish(host, "alice", "127.0.0.1:4571"), publish(host, "bob", "127.0.0.1:4572")
    to_ended, to_other = connections(4571), connections(4572)
    assert to_ended() == to_other() == "open"
    lightship("revoke", ended, "--yes")
    time.sleep(5)
    assert to_ended() == "cut"
    # The connection killer runs twice.
    time.sleep(5)
    assert to_other() == "open"
    assert host.check_output(f"ls -A {CUT_FOLDER}") == ""
    assert ended in host.check_output("journalctl --no-pager -u lightship-cut -o cat --since=-5min")
    lightship("revoke", other, "--yes")


def test_many_ends_at_once_do_not_stop_the_connection_killer(host: Host, lightship: Any) -> None:
    names = [publish(host, f"user{number}", f"10.89.77.32:{5000 + number}") for number in range(8)]
    for name in names:
        lightship("revoke", name, "--yes")
    host.check_output("systemctl is-active lightship-cut.path")
    time.sleep(6)
    assert host.check_output(f"ls -A {CUT_FOLDER}") == ""
    assert host.run("systemctl is-failed lightship-cut.path lightship-cut.service").rc != 0


def test_the_connection_killer_is_exposed_at_most_2_5(host: Host) -> None:
    report = host.check_output("systemd-analyze security --no-pager lightship-cut.service")
    exposure = re.search(r"Overall exposure level for \S+: ([\d.]+)", report)
    assert exposure
    assert float(exposure[1]) <= 2.5, report


def test_the_registry_itself_still_has_no_capability(host: Host) -> None:
    for name in ("CapabilityBoundingSet", "AmbientCapabilities"):
        assert host.check_output(f"systemctl show --property={name} --value lightship-registry.service") == ""
        assert host.check_output(f"systemctl show --property={name} --value lightship-cut.service") == "cap_net_admin"


def test_orders_are_left_by_the_registry_alone(host: Host) -> None:
    folder = host.file(CUT_FOLDER)
    assert (folder.user, folder.group, folder.mode) == ("lightship", "lightship", 0o700)
    assert host.run(f"runuser -u www-data -- touch {CUT_FOLDER}/x").rc != 0


def test_a_new_key_counts_beside_the_old_one(host: Host, lightship: Any) -> None:
    before = host.check_output(f"cat {CLUSTERS}/other.key")
    out = host.check_output("/usr/local/sbin/lightship keys rotate other --overlap 1")
    assert before not in out
    assert host.check_output(f"head -n 1 {CLUSTERS}/other.key.old") == before
    for path in (f"{CLUSTERS}/other.key", f"{CLUSTERS}/other.key.old"):
        key = host.file(path)
        assert (key.user, key.group, key.mode) == ("root", "lightship", 0o640)
    (cluster,) = [cluster for cluster in lightship("clusters") if cluster["name"] == "other"]
    assert cluster["key"]
    assert cluster["old_key_until"] > time.time()
    sums = host.check_output(f"sha256sum {CLUSTERS}/other.key").split()[0]
    assert lightship("keys", "show-fingerprint")["other"] == sums
    # As it was: the next scenario's cluster has the first key.
    host.check_output(f"head -n 1 {CLUSTERS}/other.key.old >{CLUSTERS}/other.key && rm {CLUSTERS}/other.key.old")


def test_a_backup_comes_back_and_later_names_are_not_given_again(host: Host, lightship: Any) -> None:
    file = "/root/test-backup.tar.gz"
    host.run(f"rm -f {file}")
    kept, revoked = publish(host, "alice"), publish(host, "bob")
    host.check_output(f"/usr/local/sbin/lightship backup {file}")
    assert (host.file(file).user, host.file(file).mode) == ("root", 0o600)
    lightship("revoke", revoked, "--yes")
    newer = publish(host, "carol", "10.89.77.33:4600")
    assert host.run(f"/usr/local/sbin/lightship restore {file} --yes").rc == 1, "the service runs"
    host.check_output(f"/usr/local/sbin/lightship restore {file} --yes --force")
    assert host.service("lightship-registry.service").is_running
    assert host.service("lightship-registry.socket").is_running
    states = {link["name"]: link["cause"] or link["state"] for link in lightship("links", "--all")}
    assert (states[kept], states[revoked]) == ("waiting", "revoked")
    assert newer not in states
    assert not host.file(f"/run/lightship/routes/{newer}").exists
    series = host.check_output(f"cat {STATE}/name_series").split()
    assert len(set(series)) == len(series) >= 2
    assert registry_faults(host) == []
    assert (
        host.check_output(f"stat -c %U {STATE}/registry.sqlite3 {STATE}/authorities/links.key")
        == "lightship\nlightship"
    )
    lightship("revoke", kept, "--yes")
    host.run(f"rm -rf {file} {STATE}/before-restore-*")
