"""Attempts to reach from one interface into the other, and into a neighbour's link: none changes or tells anything."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import ipaddress
import json
import random
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from lightship_registry.core.records import Link
from lightship_registry.satellite import http
from unit.lightship_registry.programs import program
from unit.lightship_registry.satellites import LOGIN, MANAGE, NETWORKS, NODE, OUTSIDE, Client, Rounds, build, watch_of
from unit.lightship_registry.test_takeovers import own_address
from unit.lightship_registry.testbed import OK, TOKEN_SHA256, Testbed, make_csr, notebook

CSR = make_csr(ec.generate_private_key(ec.SECP256R1()))
CALLS = (
    "/linktoken.cgi?token={name}&jobid=666",
    "/redeemtoken.cgi?token={name}&port={port}",
    "/destroytoken.cgi?token={name}",
    "/redeemtoken.cgi?port={port}&token={name}&host=127.0.0.1&jobid=1",
)
WIDE = ("127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "0.0.0.0/8", "::/8", "fe80::/10", "ff00::/8")


class Scene:
    """Alice's links, one in each state, made the proper way; and three of Satellite's, likewise."""

    def __init__(self, testbed: Testbed) -> None:
        self.testbed = testbed
        self.random = random.Random(20260101)  # noqa: S311 - only to be the same each time
        self.login, self.node = Client(testbed), Client(testbed, NODE)
        self.proper = [testbed.create(token_sha256=TOKEN_SHA256) for _ in range(3)]
        for made in self.proper[1:]:
            testbed.claim(made)
        testbed.publisher.publish(self.row(self.proper[2]["name"]), f"{NODE}:8888")
        for made in self.proper:
            answer = testbed.agent("POST", f"/v1/links/{made['name']}/job", {"user": "alice", "job_id": "4711"})
            assert answer.status_code == 200
        # As long as they are published and redeemed, before the attack begins, from addresses that may be targets.
        self.theirs = [self.login.token() for _ in range(3)]
        for port, name in enumerate(self.theirs[1:], 9998):
            testbed.publisher.announce(self.row(name), f"{NODE}:{port}")
        testbed.publisher.publish(self.row(self.theirs[2]), f"{NODE}:9999")
        for name in self.theirs:
            assert testbed.parts.satellite_store.link_job(name, "demo", "4711")

    def row(self, name: str) -> Link:
        link = self.testbed.store.find(name)
        assert link is not None
        return link

    def picture(self) -> tuple[list[Link], dict[str, str]]:
        names = [*(made["name"] for made in self.proper), *self.theirs]
        return [self.row(name) for name in names], self.testbed.routes


Attack = Callable[[], httpx.Response]
Kind = Callable[[Scene, int], Attack]


def call(scene: Scene, number: int, name: str, address: str = NODE, **headers: str) -> Attack:
    path = CALLS[number % len(CALLS)].format(name=name, port=2000 + number)
    return lambda: Client(scene.testbed, address).ask(path, headers=headers)


def on_a_proper_link(scene: Scene, number: int) -> Attack:
    return call(scene, number, scene.proper[number // 4 % 3]["name"], (NODE, LOGIN)[number // 12 % 2])


def from_outside(scene: Scene, number: int) -> Attack:
    name = (*scene.theirs, scene.proper[0]["name"])[number // 4 % 4]
    addresses = (OUTSIDE, "192.0.2.7", "2001:db8::7", "::ffff:192.0.2.7", "127.0.4.0", "0.0.0.0")  # noqa: S104
    claims = {"X-Forwarded-For": NODE, "Forwarded": f"for={NODE}", "Client-IP": NODE, "X-Lightship-Cluster": "demo"}
    return call(scene, number, name, addresses[number % len(addresses)], **claims)


def asking_from_outside(scene: Scene, number: int) -> Attack:
    path = ("/getlink.cgi", f"/tokenjobstate.cgi?token={scene.theirs[number % 3]}", "/nothing.cgi")[number % 2]
    return lambda: Client(scene.testbed, OUTSIDE).ask(path)


def from_another_cluster(scene: Scene, number: int) -> Attack:
    return call(scene, number, scene.theirs[number // 4 % 3], ("127.8.0.1", "fd00::1")[number % 2])


def with_two_addresses(scene: Scene, number: int) -> Attack:
    path = CALLS[number % 3].format(name=scene.theirs[number % 3], port=9999)
    pairs = [("Host", MANAGE), ("X-Real-IP", OUTSIDE), ("X-Real-IP" if number % 2 else "x-real-ip", NODE)]
    return lambda: scene.testbed.send_raw("GET", path, httpx.Headers(pairs))


def redeemed_again(scene: Scene, number: int) -> Attack:
    path = f"/redeemtoken.cgi?token={scene.theirs[1 + number % 2]}&port={7000 + number}"
    return lambda: Client(scene.testbed, (NODE, "127.0.0.9")[number // 2 % 2]).ask(path)


def linked_again(scene: Scene, number: int) -> Attack:
    path = f"/linktoken.cgi?token={scene.theirs[number % 3]}&jobid={number}"
    return lambda: scene.login.ask(path)


def destroyed_from_elsewhere(scene: Scene, number: int) -> Attack:
    path = f"/destroytoken.cgi?token={scene.theirs[1 + number % 2]}&port=9999&host={NODE}"
    return lambda: Client(scene.testbed, (LOGIN, "127.0.0.9")[number // 2 % 2]).ask(path)


def no_node(*choices: str) -> Kind:
    def prepare(scene: Scene, number: int) -> Attack:
        address = choices[number % len(choices)]
        path = f"/redeemtoken.cgi?token={scene.theirs[0]}&port={1024 + number}&host={NODE}&ip={NODE}"
        return lambda: Client(scene.testbed, address).ask(path)

    return prepare


@dataclass(frozen=True)
class Attempts:
    kind: Kind
    count: int
    why: str
    title: str
    local: bool = True


NOT_HERE, OUT, TARGET = "Unknown token", "Your address is in no", "This cannot be a target"
ALL = (
    Attempts(on_a_proper_link, 96, NOT_HERE, "a proper link"),
    Attempts(from_outside, 96, OUT, "from outside, with headers that say otherwise"),
    Attempts(asking_from_outside, 20, OUT, "asking from outside"),
    Attempts(from_another_cluster, 48, NOT_HERE, "from another cluster"),
    Attempts(with_two_addresses, 24, TARGET, "two addresses"),
    Attempts(redeemed_again, 40, "That token was redeemed already", "redeemed again"),
    Attempts(linked_again, 30, "That token is linked", "linked again"),
    Attempts(destroyed_from_elsewhere, 40, "That token was redeemed on another host", "destroyed from elsewhere"),
    Attempts(no_node(LOGIN), 10, TARGET, "a login node's address"),
    Attempts(no_node(NODE, "127.9.9.9", "::1"), 20, TARGET, "loopback", local=False),
    Attempts(no_node("169.254.169.254"), 10, TARGET, "metadata", local=False),
    Attempts(no_node("169.254.1.1", "fe80::1"), 10, TARGET, "link-local", local=False),
    Attempts(no_node("::ffff:127.0.0.1", "::ffff:169.254.169.254"), 10, TARGET, "IPv4 in IPv6", local=False),
    Attempts(no_node("0.0.0.0", "::", "224.0.0.1", "ff02::1"), 12, TARGET, "nobody's", local=False),  # noqa: S104
    Attempts(no_node(own_address()), 5, TARGET, "the proxy's own", local=False),
    Attempts(no_node("", "localhost", "010.0.0.1", "127.0.0.1, 127.0.0.2"), 12, TARGET, "no address"),
)


@pytest.fixture
def scene(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Scene]:
    chosen = getattr(request.node, "callspec", None)
    attempts: Attempts | None = chosen.params.get("attempts") if chosen else None
    changes: dict[str, Any] = {}
    if attempts and not attempts.local:
        wide = tuple(ipaddress.ip_network(text) for text in (*WIDE, f"{own_address()}/32"))
        changes = {"clusters": {"demo": wide}, "satellite_networks": {"demo": wide}, "allow_local_targets": False}
    testbed = build(tmp_path, **changes)
    yield Scene(testbed)
    testbed.close()


@pytest.mark.parametrize("attempts", ALL, ids=lambda attempts: attempts.title)
def test_no_link_is_taken_over(scene: Scene, attempts: Attempts, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", "lightship")
    hidden = [made["secret"] for made in scene.proper]
    for number in range(attempts.count):
        attack = attempts.kind(scene, number)
        before = scene.picture()
        caplog.clear()
        answer = attack()
        assert answer.text.startswith(f"Oops! {attempts.why}"), (number, answer.text)
        assert scene.picture() == before, number
        lines = [entry.getMessage() for entry in caplog.records if entry.name.startswith("lightship")]
        assert [json.loads(line).get("result") for line in lines] == ["refused"], lines
        assert json.loads(lines[0])["action"].startswith("satellite-")
        assert not [secret for secret in hidden if secret in answer.text + "".join(lines)]


def test_a_proper_link_and_a_name_that_nobody_has_look_alike(scene: Scene) -> None:
    for call_ in (*CALLS, "/tokenjobstate.cgi?token={name}"):
        answers = {
            scene.node.ask(call_.format(name=name, port=2000)).text
            for name in (*(made["name"] for made in scene.proper), "one-two-three", "no name")
        }
        assert len(answers) == 1, answers
    assert answers == {"U"}


def test_nothing_but_the_callers_own_address_becomes_a_target(scene: Scene) -> None:
    more = "&host=10.1.2.3&ip=10.1.2.3&address=10.1.2.3&dsthost=10.1.2.3&target=http://10.1.2.3:80&REMOTE_ADDR=10.1.2.3"
    headers = {"X-Forwarded-For": "10.1.2.3", "Forwarded": "for=10.1.2.3", "X-Forwarded-Host": "10.1.2.3"}
    with program() as port:
        name = scene.login.token()
        body = b"port=80&host=10.1.2.3"
        answer = scene.node.ask(f"/redeemtoken.cgi?token={name}&port={port}{more}", body=body, headers=headers)
        assert answer.text == "Success!\n"
        assert scene.row(name).announced == f"{NODE}:{port}"
        Rounds(scene.testbed).go()
        assert scene.testbed.routes[name] == f"http://{NODE}:{port}\n"


def test_reports_of_jobs_reach_no_link_of_the_other_interface(scene: Scene) -> None:
    proper = scene.picture()[0][:3]
    scene.login.report("4711 COMPLETED\n")
    assert scene.picture()[0][:3] == proper
    assert {link.job_state for link in scene.picture()[0][3:]} == {"ended"}
    scene.login.report("4711 RUNNING\n")
    theirs = scene.picture()[0][3:]
    report = {"job_id": "4711", "state": "ended", "cause": "failed"}
    answer = scene.testbed.agent("POST", "/v1/jobs", {"jobs": [report]})
    assert (answer.status_code, answer.json()["watch"]) == (200, [])
    assert [link.state for link in scene.picture()[0][:3]] == ["ended", "ended", "ready"]
    assert scene.picture()[0][3:] == theirs
    scene.testbed.clock.now += 60
    # Nor is an agent asked to look at such a job, of which there could be thousands.
    assert scene.testbed.agent("POST", "/v1/jobs", {"jobs": []}).json()["watch"] == []


@pytest.mark.parametrize("user", [f"satellite:{LOGIN}", "satellite", LOGIN, "", "alice"])
def test_no_user_is_the_owner_of_one_of_satellites(scene: Scene, user: str) -> None:
    before = scene.picture()
    for name in scene.theirs:
        codes = [
            scene.testbed.agent("POST", f"/v1/links/{name}/cancel", {"user": user}).status_code,
            scene.testbed.agent("POST", f"/v1/links/{name}/job", {"user": user, "job_id": "1"}).status_code,
            scene.testbed.agent("GET", f"/v1/links/{name}?user={user}").status_code,
        ]
        assert set(codes) <= {404, 422}, codes
    assert scene.picture() == before


def test_no_secret_opens_one_of_satellites(scene: Scene) -> None:
    """Not even the one whose hash is in the store, which nobody was told."""
    secret = "5" * 64
    digest = hashlib.sha256(secret.encode()).hexdigest()
    for name in scene.theirs:
        scene.testbed.change({"name": name}, secret_sha256=digest)
        before = scene.picture()
        for action, body in (("claim", {"csr": CSR}), ("target", {"port": 4000}), ("heartbeat", {}), ("end", {})):
            answer = scene.testbed.job({"name": name, "secret": secret}, action, body)
            assert (answer.status_code, answer.json()["code"]) == (403, "refused")
        assert scene.picture() == before


def test_a_page_of_theirs_shows_no_more_to_any_token(scene: Scene) -> None:
    for name in scene.theirs[:1]:
        for token in ("0" * 32, "a" * 32):
            headers = {"Host": f"{name}.notebooks.test:8443", "X-Lightship-Token": token}
            answer = scene.testbed.send("POST", "/cancel", headers={**headers, "Origin": f"https://{headers['Host']}"})
            assert answer.status_code == 404
    assert scene.row(scene.theirs[0]).state == "waiting"


def test_a_live_target_of_the_one_is_never_the_others(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "TRY_SECONDS", 0.01)
    with program() as port:
        target = f"{NODE}:{port}"
        made = scene.testbed.create()
        scene.testbed.claim(made)
        scene.testbed.publisher.publish(scene.row(made["name"]), target)
        name = scene.login.token()
        assert scene.node.redeem(name, port).startswith(f"Oops! {target} is another link's notebook.")
        assert (scene.row(name).state, name in scene.testbed.routes) == ("waiting", False)
        scene.testbed.job(made, "end")
        # And what was only announced takes nobody's port.
        assert scene.node.redeem(name, port) == "Success!\n"
        other = scene.testbed.create()
        scene.testbed.claim(other)
        scene.testbed.clock.now += 76
        scene.testbed.publisher.publish(scene.row(other["name"]), target)
        Rounds(scene.testbed).go()
        assert scene.testbed.routes[other["name"]] == f"https://{target}\n"
        assert name not in scene.testbed.routes


def test_a_tls_notebook_is_never_asked_for_in_the_clear_with_a_route(scene: Scene, tmp_path: Path) -> None:
    made = scene.testbed.create()
    with notebook(scene.testbed.claim(made).server_context(tmp_path)) as port:
        name = scene.login.token()
        scene.node.redeem(name, port)
        Rounds(scene.testbed).go(2)
        assert (name in scene.testbed.routes, scene.row(name).state) == (False, "starting")
        assert scene.testbed.job(made, "target", {"port": port}).status_code == 200


def test_many_that_hang_do_not_keep_the_others_waiting(tmp_path: Path) -> None:
    testbed = build(tmp_path)
    node = Client(testbed, NODE)

    async def go() -> None:
        watch = watch_of(testbed)
        tasks = await watch.start_round()
        async with asyncio.timeout(20):
            while live not in testbed.routes:
                tasks += await watch.start_round()
                await asyncio.sleep(0.01)
        watch.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    with contextlib.ExitStack() as stack:
        port = stack.enter_context(program(OK))
        live = node.token()
        node.redeem(live, port)
        for _ in range(20):
            hanging = stack.enter_context(socket.create_server((NODE, 0)))
            node.redeem(node.token(), hanging.getsockname()[1])
        asyncio.run(go())
    testbed.close()


def test_networks_of_two_clusters_are_distinct() -> None:
    assert not any(a.overlaps(b) for a in NETWORKS["demo"] for b in NETWORKS["other"] if a.version == b.version)
