"""Servers with several addresses and nodes with several networks, made in a network namespace of the test's own."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lightship_cluster.core.own_addresses import own_addresses, pick
from lightship_cluster.registry_client import dialing
from lightship_cluster.registry_client.dialing import Dialer
from unit.lightship_cluster.node import LAB, Node

SCRIPTS = Path(dialing.__file__).parents[2]
needs_namespaces = pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("ip") or not shutil.which("unshare"),
    reason="only root can make networks, as in make test",
)

# A node with two networks, of which one has IPv6. Behind the third interface is a host that swallows every packet.
NETWORKS = """
ip link set lo up
for name in ethernet infiniband filtered; do
    ip link add $name type veth peer name far-$name
    ip link set $name up; ip link set far-$name up
done
ip addr add 10.2.0.5/16 dev ethernet
ip addr add 10.3.0.5/16 dev infiniband; ip addr add fd00:3::5/64 dev infiniband nodad
ip addr add fd00:8::2/64 dev filtered nodad
ip neigh add fd00:8::1 lladdr 02:00:00:00:00:01 dev filtered
"""
SCRIPT = """
import ipaddress, json, socket, sys, threading
from lightship_cluster.registry_client import dialing
from lightship_cluster.core.own_addresses import own_addresses, pick

dialing.TRY_SECONDS = 0.2
seen, asked = [], []

def listen(address):
    listener = socket.create_server((address, 443), family=socket.AF_INET6 if ":" in address else socket.AF_INET)
    def serve():
        while True:
            connection, peer = listener.accept()
            seen.append(peer[0])
            connection.close()
    threading.Thread(target=serve, daemon=True).start()

def dialer(*addresses):
    socket.getaddrinfo = lambda *_, **__: [
        (socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 443))
        for address in addresses
    ]
    return dialing.Dialer("registry", 443)

def dial(dialer, source=""):
    dialer.source = source
    try:
        with dialer.connect(3) as connection:
            connection.recv(1)  # when it is closed, it was seen
    except OSError as error:
        return str(error)
    return dialer.own

listen("10.2.0.5")
listen("fd00:3::5")
networks = [ipaddress.ip_network(text) for text in ("10.3.0.0/16", "10.2.0.0/16", "fd00:3::/64", "10.9.0.0/16")]
ethernet, infiniband, six, other = networks
filtered = dialer("fd00:8::1", "10.2.0.5")
first = dial(filtered)
answered = filtered._candidates()[0][1][0]
print(json.dumps({
    "filtered": [first, answered],
    "all filtered": dial(dialer("fd00:8::1", "fd00:8::1")),
    "alone": dial(dialer("fd00:3::5")),
    "bound": [dial(dialer("10.2.0.5"), "10.3.0.5"), seen[-1]],
    "other kind": dial(dialer("10.2.0.5"), "fd00:3::5"),
    "own": sorted(map(str, own_addresses())),
    "picked": [
        pick([], "10.2.0.5"),
        pick([ethernet], "10.2.0.5"),
        pick([six, ethernet], "10.2.0.5"),
        pick([ethernet, infiniband], "10.2.0.5"),
        pick([infiniband, ethernet], "10.2.0.5"),
        pick([other], "10.2.0.5"),
        pick([six], "fe80::1%ethernet"),
    ],
}))
"""


@needs_namespaces
def test_a_node_with_several_networks() -> None:
    environment = {**os.environ, "PYTHONPATH": str(SCRIPTS), "SCRIPT": SCRIPT}
    whole = f'set -e\n{NETWORKS}\nexec "$0" -c "$SCRIPT"'
    command = ["unshare", "--net", "sh", "-c", whole, sys.executable]
    done = subprocess.run(command, env=environment, check=False, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)

    # The address that works, and from then on it comes first.
    assert found["filtered"] == ["10.2.0.5", "10.2.0.5"]
    assert found["all filtered"] == "fd00:8::1: no answer in time; fd00:8::1: no answer in time"
    assert found["alone"] == "fd00:3::5"
    assert found["bound"] == ["10.3.0.5", "10.3.0.5"]
    assert found["other kind"].startswith("it has no address that fd00:3::5 reaches")
    own = [address for address in found["own"] if not address.startswith("fe80:")]
    assert own == ["10.2.0.5", "10.3.0.5", "127.0.0.1", "::1", "fd00:3::5", "fd00:8::2"]
    assert found["picked"] == ["10.2.0.5", "10.3.0.5", "fd00:3::5", "10.3.0.5", "10.2.0.5", "10.2.0.5", "fd00:3::5"]


def test_a_machine_that_tells_no_addresses_has_the_connected_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_arguments: object) -> socket.socket:
        raise PermissionError

    monkeypatch.setattr(socket, "socket", none)
    assert own_addresses() == []
    assert pick((), "10.2.0.5") == "10.2.0.5"


def test_a_single_address_fails_in_the_systems_own_words() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(ConnectionRefusedError):
        Dialer("127.0.0.1", port).connect(1)


def listens_at(printed: str) -> Any:
    """Return the address in Jupyter's metadata."""
    told = next(line for line in printed.splitlines() if line.startswith("told "))
    return json.loads(told.partition(" ")[2])["server"]["ip"]


# The registry's name has an address of IPv6 where nothing of it answers, and comes first, as with most resolvers.
TWO_ADDRESSES = """
import socket, sys
of_name = socket.getaddrinfo
def both(host, port, *arguments, **options):
    found = of_name(host, port, *arguments, **options)
    six = [(socket.AF_INET6, kind, protocol, "", ("::1", port, 0, 0)) for _, kind, protocol, _, _ in found]
    return six + found if port == PORT else found
socket.getaddrinfo = both
from lightship_cluster.job.register_jupyter import main
sys.exit(main(sys.argv[1:]))
"""


def test_the_notebook_listens_where_the_claim_came_from(node: Node) -> None:
    port = node.registry.url.rpartition(":")[2]
    with node.start(jupyter="shut-down", command=LAB, main=TWO_ADDRESSES.replace("PORT", port)) as process:
        printed, _ = process.communicate(timeout=30)

    assert process.returncode == 0, printed
    assert listens_at(printed) == "127.0.0.1"
    assert node.registry.actions()[:2] == ["claim", "target"]


def test_the_site_says_which_network_counts(node: Node) -> None:
    config = node.path / "lightship.ini"
    config.write_text(config.read_text() + "notebook_networks = fd00:9::/64, 127.0.0.0/8\n")
    status, printed = node.run(jupyter="shut-down")
    assert status == 0
    assert listens_at(printed) == "127.0.0.1"

    config.write_text(config.read_text().replace("127.0.0.0/8", "127.0.0.1/8"))
    status, printed = node.run()
    assert status == 3
    assert "notebook_networks: 127.0.0.1/8 has host bits set. Write networks like 10.1.0.0/16." in printed
