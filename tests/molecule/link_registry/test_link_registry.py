"""The registry as its neighbours meet it: the web server may talk to it, nobody else may; a restart loses nothing."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
import shlex
import time
from collections.abc import Callable
from typing import Any

import pytest
from testinfra.host import Host

testinfra_hosts = ["ssh://proxy13"]

UNIT = "lightship-registry.service"
REGISTRY = "registry.trixie.test"
KEY = "/etc/lightship/clusters/demo.key"
STATE = "/var/lib/lightship"

# What the web server does: one request over the socket. Arguments: method, host name, path, headers, body.
CLIENT = """
import http.client, json, socket, sys
method, name, path, headers, body = sys.argv[1:]
connection = http.client.HTTPConnection(name)
connection.sock = socket.socket(socket.AF_UNIX)
connection.sock.connect("/run/lightship/registry.sock")
connection.request(method, path, body or None, {"X-Real-IP": "10.89.77.20", **json.loads(headers)})
answer = connection.getresponse()
print(json.dumps([answer.status, dict(answer.getheaders()), answer.read().decode()]))
"""

Ask = Callable[..., tuple[int, dict[str, str], str]]


@pytest.fixture
def ask(host: Host) -> Ask:
    """Put one request to the registry as the web server's user."""

    def request(method: str, name: str, path: str, headers: dict[str, str] | None = None, body: str = "") -> Any:
        arguments = [method, name, path, json.dumps(headers or {}), body]
        command = ["runuser", "-u", "www-data", "--", "python3", "-c", CLIENT, *arguments]
        return tuple(json.loads(host.check_output(shlex.join(command))))

    return request


@pytest.fixture
def signed(host: Host, ask: Ask) -> Callable[..., dict[str, Any]]:
    """Put one request to the registry as the agent of the cluster, and return what it answered."""
    key = bytes.fromhex(host.check_output(f"cat {KEY}"))

    def request(method: str, path: str, content: object = None) -> dict[str, Any]:
        body = "" if content is None else json.dumps(content)
        now, nonce = str(int(time.time())), secrets.token_hex(16)
        text = "\n".join([method, path, hashlib.sha256(body.encode()).hexdigest(), now, nonce, "demo"])
        headers = {
            "Content-Type": "application/json",
            "X-Lightship-Cluster": "demo",
            "X-Lightship-Time": now,
            "X-Lightship-Nonce": nonce,
            "X-Lightship-Signature": hmac.new(key, text.encode(), hashlib.sha256).hexdigest(),
        }
        status, _, answer = ask(method, REGISTRY, path, headers, body)
        assert status in (200, 201), answer
        answered: dict[str, Any] = json.loads(answer)
        return answered

    return request


def test_it_runs_now_and_after_the_next_boot(host: Host) -> None:
    for unit in ("lightship-registry.socket", UNIT):
        assert host.service(unit).is_running
        assert host.service(unit).is_enabled


def test_the_web_server_is_answered(ask: Ask) -> None:
    status, headers, page = ask("GET", "never-given-out.trixie.test", "/")
    assert status == 404
    assert "default-src 'none'" in {name.lower(): value for name, value in headers.items()}["content-security-policy"]
    assert "<html" in page.lower()


@pytest.mark.parametrize("user", ["nobody", "daemon"])
def test_other_users_are_refused_by_the_kernel(host: Host, user: str) -> None:
    arguments = ["GET", REGISTRY, "/v1/ping", "{}", ""]
    done = host.run(shlex.join(["runuser", "-u", user, "--", "python3", "-c", CLIENT, *arguments]))
    assert done.rc != 0
    assert "PermissionError" in done.stderr


def test_the_agent_is_answered(signed: Callable[..., dict[str, Any]]) -> None:
    answer = signed("GET", "/v1/ping")
    assert answer["ok"] is True
    assert answer["cluster"] == "demo"


def test_without_the_key_the_answer_is_no(ask: Ask) -> None:
    status, _, answer = ask("GET", REGISTRY, "/v1/ping", {"X-Lightship-Cluster": "demo"})
    assert status in (400, 401, 403), answer


def test_the_unit_is_exposed_at_most_2_0(host: Host) -> None:
    report = host.check_output(f"systemd-analyze security --no-pager {UNIT}")
    exposure = re.search(r"Overall exposure level for \S+: ([\d.]+)", report)
    assert exposure
    assert float(exposure[1]) <= 2.0, report


def test_the_process_can_gain_nothing(host: Host) -> None:
    process = host.check_output(f"systemctl show --property=MainPID --value {UNIT}")
    status = dict(re.findall(r"^(\w+):\s*(.*)$", host.check_output(f"cat /proc/{process}/status"), re.MULTILINE))
    assert status["NoNewPrivs"] == "1"
    assert status["Seccomp"] == "2"
    assert int(status["CapEff"], 16) == int(status["CapBnd"], 16) == 0
    assert host.check_output(f"ps -o user= -p {process}") == "lightship"


def test_it_reaches_the_clusters_networks_only(host: Host) -> None:
    allowed = host.check_output(f"systemctl show --property=IPAddressAllow --value {UNIT}")
    denied = host.check_output(f"systemctl show --property=IPAddressDeny --value {UNIT}")
    assert set(allowed.split()) == {"10.89.77.0/24", "10.77.0.0/16", "2001:db8:77::/48"}
    assert set(denied.split()) == {"0.0.0.0/0", "::/0"}


@pytest.mark.parametrize("user", ["nobody", "www-data"])
@pytest.mark.parametrize(
    "path", [KEY, f"{STATE}/authorities/links.key", f"{STATE}/authorities/proxy.key", f"{STATE}/registry.sqlite3"]
)
def test_secrets_are_read_by_nobody_else(host: Host, user: str, path: str) -> None:
    assert host.file(path).exists
    assert host.run(f"runuser -u {user} -- cat {path}").rc != 0


def test_the_key_of_a_cluster_has_256_bits(host: Host) -> None:
    assert re.fullmatch(r"[0-9a-f]{64}", host.check_output(f"cat {KEY}"))
    key = host.file(KEY)
    assert (key.user, key.group, key.mode) == ("root", "lightship", 0o640)


def test_routes_are_read_by_the_web_server_and_written_by_the_registry_alone(host: Host) -> None:
    assert host.run("runuser -u www-data -- ls /run/lightship/routes").rc == 0
    assert host.run("runuser -u www-data -- touch /run/lightship/routes/x").rc != 0
    assert host.run("runuser -u nobody -- ls /run/lightship/routes").rc != 0


def test_a_restart_keeps_links_and_removes_what_is_no_route(host: Host, signed: Callable[..., dict[str, Any]]) -> None:
    link = signed("POST", "/v1/links", {"user": "alice", "seconds": 600, "title": ""})
    stray = "/run/lightship/routes/left-behind-here"
    host.check_output(f"echo https://10.89.77.31:4567 > {stray}")
    host.check_output(f"systemctl restart {UNIT}")
    status = signed("GET", f"/v1/links/{link['name']}?user=alice")
    assert status["state"] == "waiting"
    assert not host.file(stray).exists
    signed("POST", f"/v1/links/{link['name']}/cancel", {"user": "alice", "reason": "test"})


def test_a_reboot_makes_the_folders_anew(host: Host) -> None:
    host.check_output(f"systemctl stop lightship-registry.socket {UNIT}")
    host.check_output("rm -r /run/lightship && systemd-tmpfiles --create /etc/tmpfiles.d/lightship.conf")
    host.check_output(f"systemctl start lightship-registry.socket {UNIT}")
    routes = host.file("/run/lightship/routes")
    assert (routes.user, routes.group, routes.mode) == ("lightship", "www-data", 0o2750)
    socket = host.file("/run/lightship/registry.sock")
    assert (socket.user, socket.group, socket.mode) == ("root", "www-data", 0o660)
