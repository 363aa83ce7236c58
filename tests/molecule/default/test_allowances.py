"""What one user's flood of requests takes from the others on a host: nothing, at the agent and at the registry."""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from support import bed

CA = "/shared/lightship/etc/registry-ca.pem"
HOST = f"registry.{bed.DOMAIN}:{bed.PORT}"

# Sends what nothing proves, as fast as four connections can: no signature, a forged one, and forged secrets
# of another user's link and of none.
FLOOD = """
import http.client, os, secrets, ssl, sys, threading, time
host, ca, link = sys.argv[1:]
context = ssl.create_default_context(cafile=ca)
def forged():
    names = ("Nonce", "Signature", "Allowance")
    parts = {f"X-Lightship-{name}": secrets.token_hex(16 if name == "Nonce" else 32) for name in names}
    return {"X-Lightship-Cluster": "demo", "X-Lightship-Time": str(int(time.time())), **parts}
kinds = [
    lambda: ("GET", "/v1/ping", {}),
    lambda: ("GET", "/v1/ping", forged()),
    lambda: ("POST", f"/v1/links/{link}/heartbeat", {"Authorization": "Bearer " + secrets.token_hex(32)}),
    lambda: ("POST", "/v1/links/one-two-three/end", {"Authorization": "Bearer " + secrets.token_hex(32)}),
]
def flood(kind):
    connection = http.client.HTTPSConnection(host, context=context)
    limited = False
    end = time.monotonic() + 60
    while time.monotonic() < end:
        method, path, headers = kind()
        try:
            connection.request(method, path, headers=headers)
            answer = connection.getresponse()
            answer.read()
        except (http.client.HTTPException, ConnectionError):
            connection.close()
            continue
        if answer.status == 429 and not limited:
            assert answer.getheader("Retry-After") == "1"
            limited = True
            os.write(1, b"limited\\n")
for kind in kinds:
    threading.Thread(target=flood, args=[kind], daemon=True).start()
sys.stdin.read()
"""
# Connects to the agent without pause, says nothing, and keeps what it gets.
CROWD = """
import collections, os, socket, sys, threading, time
end = time.monotonic() + 60
def crowd():
    held, number = collections.deque(maxlen=200), 0
    while time.monotonic() < end:
        one = socket.socket(socket.AF_UNIX)
        try:
            one.connect("/run/lightship-agent/agent.sock")
        except OSError:
            continue
        held.append(one)
        number += 1
        if number == 300:
            os.write(1, b"crowded\\n")
for _ in range(4):
    threading.Thread(target=crowd, daemon=True).start()
sys.stdin.read()
"""
QUESTIONS = """
import sys
sys.path.insert(0, "/shared/lightship/bin/start-jupyter")
from pathlib import Path
from lightship_cluster.agent.client import AgentClient
for _ in range(30):
    assert AgentClient(Path("/run/lightship-agent/agent.sock")).status(sys.argv[1])["state"] == "waiting"
print("all answered")
"""
# What a job sends, without the patience of the real one: an answer that the limit gave would be seen.
HEARTBEATS = """
import http.client, json, ssl, sys
host, ca, link = sys.argv[1:]
secret = sys.stdin.read()
context = ssl.create_default_context(cafile=ca)
seen = []
for _ in range(84):
    connection = http.client.HTTPSConnection(host, context=context)
    connection.request("POST", f"/v1/links/{link}/heartbeat", "{}", {"Authorization": f"Bearer {secret}"})
    answer = connection.getresponse()
    seen.append(json.loads(answer.read()).get("code"))
    connection.close()
print(json.dumps(sorted(set(seen))))
"""
# Fewer than an agent may send at once; each bears the secret of a link where an agent's proof would be.
AS_AN_AGENT = """
import http.client, json, ssl, sys
host, ca = sys.argv[1:]
secret = sys.stdin.read()
connection = http.client.HTTPSConnection(host, context=ssl.create_default_context(cafile=ca))
seen = set()
for _ in range(300):
    connection.request("GET", "/v1/ping", headers={"X-Lightship-Allowance": secret})
    answer = connection.getresponse()
    answer.read()
    seen.add(answer.status)
print(json.dumps(sorted(seen)))
"""


@contextmanager
def running(host: str, program: str, *arguments: str, sign: str, times: int) -> Iterator[None]:
    """Run a program of alice's on a host until the block ends; it begins when she has said a word so often."""
    command = shlex.join(["python3", "-c", program, *arguments])
    whole = [
        "ssh",
        "-F",
        str(bed.STATE / "ssh_config"),
        "-o",
        "BatchMode=yes",
        host,
        f"su alice -c {shlex.quote(command)}",
    ]
    with subprocess.Popen(whole, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as flood:
        assert flood.stdin
        assert flood.stdout
        # It ends when its standard input does.
        with flood.stdin:
            assert [flood.stdout.readline().strip() for _ in range(times)] == [sign] * times
            yield


@pytest.fixture
def link() -> Iterator[dict[str, str]]:
    """Return a link of bob's, and its secret."""
    made = bed.agent("bob", op="create", seconds=600)
    assert made["ok"], made
    yield made
    assert bed.agent("bob", op="cancel", name=made["name"], reason="")["ok"]


def test_a_flood_on_a_host_costs_its_other_users_nothing(link: dict[str, str]) -> None:
    name = link["name"]
    with ExitStack() as floods:
        for host in ("login", "node1"):
            floods.enter_context(running(host, FLOOD, HOST, CA, name, sign="limited", times=4))
        floods.enter_context(running("login", CROWD, sign="crowded", times=4))
        asked = bed.run("login", f"python3 -c {shlex.quote(QUESTIONS)} {name}", user="bob")
        beats = f"python3 -c {shlex.quote(HEARTBEATS)} {HOST} {CA} {name}"
        beaten = bed.run("node1", beats, user="bob", text=link["secret"])

    assert asked.stdout == "all answered\n"
    # Each got to the registry, which says what it must say to a job that has not claimed its link.
    assert json.loads(beaten.stdout) == ["not-claimed"]


def test_a_links_secret_is_no_proof_of_an_agents(link: dict[str, str]) -> None:
    """Or each link would give its owner an agent's allowance, many times that of a job."""
    with running("node1", FLOOD, HOST, CA, link["name"], sign="limited", times=4):
        asked = bed.run("node1", f"python3 -c {shlex.quote(AS_AN_AGENT)} {HOST} {CA}", user="bob", text=link["secret"])
    # It counts on the host's address, of which nothing is left.
    assert 429 in json.loads(asked.stdout)
