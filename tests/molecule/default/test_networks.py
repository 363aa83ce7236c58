"""Nodes with several networks: where a notebook listens, and what is said when the proxy cannot reach it."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from support import bed

SITE = "/shared/lightship/etc/lightship.ini"
CA = "/shared/lightship/etc/registry-ca.pem"
# A second network of the proxy and of node1, on the same wire; the inventory allows it.
SECOND = {"proxy": "10.78.0.10", "node1": "10.78.0.31"}


@pytest.fixture
def second_network() -> Iterator[None]:
    """Give both hosts an address in it, and let the site prefer it."""
    bed.run("login", f"cp -p {SITE} /tmp/lightship.ini")
    try:
        for host, address in SECOND.items():
            bed.run(host, f"ip addr add {address}/24 dev eth0")
        bed.run("login", f"sed -i '/^\\[lightship\\]/a notebook_networks = 10.78.0.0/24' {SITE}")
        yield
    finally:
        bed.run("login", f"cp -p /tmp/lightship.ini {SITE}")
        for host, address in SECOND.items():
            bed.run(host, f"ip addr del {address}/24 dev eth0")


@pytest.mark.usefixtures("second_network")
def test_a_notebook_listens_in_the_network_that_the_site_names() -> None:
    notebook = bed.start("alice", "-t 5 -- --nodelist=node1")
    try:
        assert bed.record(notebook.name)["target"].startswith("10.78.0.31:")
        with bed.client(f"{notebook.name}.{bed.DOMAIN}") as browser:
            assert browser.get("/api/status", params={"token": notebook.token}).status_code == httpx.codes.OK
    finally:
        bed.stop(notebook)


def test_a_notebook_that_the_proxy_cannot_reach_is_told_from_where_it_was_tried() -> None:
    made = bed.agent("bob", op="create", seconds=600)
    program = "\n".join(
        [
            "import sys; sys.path.insert(0, '/shared/lightship/bin/register-jupyter')",
            "from pathlib import Path",
            "from lightship_cluster.job import keys, lease",
            "from lightship_cluster.registry_client import transport, registry",
            f"way = transport.Transport('https://registry.{bed.DOMAIN}:{bed.PORT}', Path({CA!r}))",
            f"link = registry.LinkRegistry(way, {made['name']!r}, sys.stdin.read())",
            "folder = Path('/tmp/networks'); folder.mkdir(); lease.PUBLISH_SECONDS = 1",
            "lease.claim(link, keys.make_request(folder, folder / 'key.pem'), {})",
            "lease.publish(link, way.dialer.own, 4567)",
        ]
    )
    done = bed.run(
        "node1", f"python3 -c \"$(cat <<'END'\n{program}\nEND\n)\"", user="bob", check=False, text=made["secret"]
    )
    bed.run("node1", "rm -r /tmp/networks")
    bed.agent("bob", op="cancel", name=made["name"], reason="")
    said = (
        "The notebook listens at port 4567 of 10.89.77.31. The registry says: No notebook answers at port 4567 of "
        "10.89.77.31, tried from 10.89.77.10 (Connection refused)."
    )
    assert said in done.stderr
