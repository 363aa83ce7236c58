"""What is kept and counted: the audit through a rotation, metrics for this host alone, links on a database server."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from testinfra.host import Host

from support.deploy import deploy, registry_faults

testinfra_hosts = ["ssh://proxy13"]

AUDIT = "/var/log/lightship/audit.jsonl"
PORT = 9464
PASSWORD = "a b%/@"
STORE_URL = "postgresql+psycopg://lightship:a%20b%25%2F%40@127.0.0.1/lightship"
VARIABLES: dict[str, Any] = {
    "link_registry_domain": "trixie.test",
    "link_registry_clusters": {
        "demo": {"networks": ["10.89.77.0/24"]},
        "other": {"networks": ["10.77.0.0/16", "2001:db8:77::/48"]},
    },
}
ASK = """
import hashlib, hmac, http.client, json, secrets, socket, sys, time
cluster, method, path, body = "demo", *sys.argv[1:]
key = bytes.fromhex(open("/etc/lightship/clusters/demo.key").read())
now, nonce = str(int(time.time())), secrets.token_hex(16)
text = "\\n".join([method, path, hashlib.sha256(body.encode()).hexdigest(), now, nonce, cluster])
connection = http.client.HTTPConnection("registry.trixie.test")
connection.sock = socket.socket(socket.AF_UNIX)
connection.sock.connect("/run/lightship/registry.sock")
signature = hmac.new(key, text.encode(), "sha256").hexdigest()
headers = {"X-Lightship-Cluster": cluster, "X-Lightship-Time": now, "X-Lightship-Nonce": nonce}
connection.request(method, path, body, {**headers, "X-Lightship-Signature": signature, "X-Real-IP": "10.89.77.20"})
print(connection.getresponse().read().decode())
"""
FETCH = f"""
import http.client, sys
connection = http.client.HTTPConnection("127.0.0.1", {PORT}, timeout=10)
connection.request("GET", sys.argv[1], headers={{"Host": sys.argv[2]}})
print(connection.getresponse().read().decode())
"""


def ask(host: Host, method: str, path: str, **body: object) -> dict[str, Any]:
    """Ask the service as an agent does, and return its answer."""
    sent = json.dumps(body) if body else ""
    answer: dict[str, Any] = json.loads(host.check_output(shlex.join(["python3", "-c", ASK, method, path, sent])))
    return answer


def fetch(host: Host, path: str, name: str = "localhost") -> str:
    """Return what the port for metrics answers to a host name."""
    told: str = host.check_output(shlex.join(["python3", "-c", FETCH, path, name]))
    return told


def links(host: Host) -> list[str]:
    """Return the names of all links of the service's store."""
    return [link["name"] for link in json.loads(host.check_output("/usr/local/sbin/lightship links --all --json"))]


def test_the_audit_goes_on_through_a_rotation(host: Host) -> None:
    host.check_output("apt-get install --yes --quiet logrotate")
    first = ask(host, "POST", "/v1/links", user="dora", seconds=600)["name"]
    host.check_output("logrotate --force /etc/logrotate.d/lightship")
    second = ask(host, "POST", "/v1/links", user="dora", seconds=600)["name"]
    rotated = host.check_output(f"cat {AUDIT}-*")
    assert first in rotated
    assert second not in rotated
    lines = [json.loads(line) for line in host.check_output(f"cat {AUDIT}").splitlines()]
    assert [line["link"] for line in lines if line["action"] == "create"] == [second]
    assert oct(host.file(AUDIT).mode) == "0o640"
    for line in lines:
        assert not {"secret", "token", "token_sha256"} & line.keys()
    host.check_output("/usr/local/sbin/lightship revoke --user dora --yes")


@pytest.fixture(scope="module")
def elsewhere(host: Host, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Deploy the service onto a database server, with metrics, and as it was afterwards."""
    folder = tmp_path_factory.mktemp("roles")
    host.check_output("apt-get install --yes --quiet postgresql")
    for statement in (
        f"CREATE ROLE lightship LOGIN PASSWORD '{PASSWORD}'",
        "CREATE DATABASE lightship OWNER lightship ENCODING 'UTF8' TEMPLATE template0",
    ):
        host.check_output(f"runuser -u postgres -- psql -q -c {shlex.quote(statement)}")
    more: dict[str, Any] = {"link_registry_store_url": STORE_URL, "link_registry_store_networks": ["127.0.0.0/8"]}
    more["link_registry_metrics_port"] = PORT
    assert deploy("link_registry", "proxy13", folder, **VARIABLES, **more) > 0
    assert deploy("link_registry", "proxy13", folder, **VARIABLES, **more) == 0, "a second run changes something"
    yield folder
    deploy("link_registry", "proxy13", folder, **VARIABLES)
    host.check_output("systemctl stop postgresql && apt-get purge --yes --quiet 'postgresql*'")


@pytest.mark.usefixtures("elsewhere")
def test_links_live_on_a_database_server(host: Host) -> None:
    name = ask(host, "POST", "/v1/links", user="erin", seconds=600)["name"]
    held = host.check_output("runuser -u postgres -- psql -Atq lightship -c 'SELECT name FROM links'")
    assert held == name
    assert links(host) == [name]
    assert registry_faults(host) == []
    # The password is in no process list, journal or world-readable file.
    assert "a%20b" not in host.check_output("ps axww -o args; journalctl --no-pager -u lightship-registry -n 200")
    assert host.file("/etc/lightship/registry.toml").mode & 0o007 == 0
    # The server goes and comes back: a sentence meanwhile, and then all as before.
    host.check_output("systemctl stop postgresql@15-main postgresql@17-main postgresql; sleep 1")
    assert ask(host, "POST", "/v1/links", user="erin", seconds=600)["code"] == "registry-error"
    host.check_output("systemctl start postgresql; sleep 2")
    assert ask(host, "GET", f"/v1/links/{name}?user=erin")["state"] == "waiting"
    assert host.service("lightship-registry.service").is_running


@pytest.mark.usefixtures("elsewhere")
def test_metrics_are_for_this_host_alone(host: Host) -> None:
    told = fetch(host, "/metrics")
    assert "lightship_store_up 1.0" in told
    assert 'lightship_links{cluster="demo",state="waiting"}' in told
    assert "erin" not in told
    assert "<html" in fetch(host, "/")
    listening = [line for line in host.check_output("ss -Hltn").splitlines() if f":{PORT} " in line]
    assert listening
    assert all(f"127.0.0.1:{PORT} " in line for line in listening)
    # A page elsewhere cannot read them through a browser here.
    assert "lightship_" not in fetch(host, "/metrics", "evil.example")
