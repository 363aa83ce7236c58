"""A thousand attempts to take over a link: none succeeds, each is in the journal, and no secret ever is."""

from __future__ import annotations

import contextlib
import ipaddress
import json
import random
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from lightship_registry.core.records import Link
from lightship_registry.pki.authorities import Authority, load_authority, new_authority, server_certificate
from lightship_registry.pki.keystore import Keystore, key_of, pem
from unit.lightship_registry.testbed import (
    DOMAIN,
    NODE,
    TOKEN,
    TOKEN_SHA256,
    Identity,
    Testbed,
    build_testbed,
    make_csr,
    notebook,
)

CSR = make_csr(ec.generate_private_key(ec.SECP256R1()))
ACTIONS = ("claim", "target", "heartbeat", "end")
BODIES: dict[str, dict[str, Any]] = {"claim": {"csr": CSR}, "target": {"port": 4000}}
OUTSIDE = "10.99.0.9"
# Wide on purpose: these addresses have to be refused although they lie inside the cluster's networks.
NETWORKS = ("10.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "0.0.0.0/8", "::/8", "fe80::/10", "ff00::/8")


def own_address() -> str:
    """This host's address towards others; the loopback's where it has none."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))
        return str(probe.getsockname()[0])
    return NODE


class Scene:
    """Alice's links, one in each state, and Mallory's own; the attacker may know all that is not secret."""

    def __init__(self, testbed: Testbed, folder: Path) -> None:
        self.testbed = testbed
        self.folder = folder
        self.random = random.Random(20260101)  # noqa: S311 - only to be the same each time
        self.waiting, self.starting, self.ready = (testbed.create(token_sha256=TOKEN_SHA256) for _ in range(3))
        self.mallory = testbed.create("mallory")
        self.identity = testbed.claim(self.starting)
        testbed.claim(self.ready)
        testbed.publisher.publish(self.row(self.ready), "10.99.0.1:8888")
        self.open = contextlib.ExitStack()

    @property
    def victims(self) -> tuple[dict[str, Any], ...]:
        return self.waiting, self.starting, self.ready

    def row(self, made: dict[str, Any]) -> Link:
        link = self.testbed.store.find(made["name"])
        assert link is not None
        return link

    def picture(self) -> tuple[list[Link], dict[str, str]]:
        """All that must not change: state, certificate and target of each link, and the route files."""
        return [self.row(made) for made in self.victims], self.testbed.routes

    def secrets(self) -> list[str]:
        keys = [path.read_text() for path in self.testbed.settings.folders.clusters_dir.iterdir()]
        return [TOKEN, *keys, *(made["secret"] for made in (*self.victims, self.mallory))]

    def victim(self, number: int) -> dict[str, Any]:
        return self.victims[number % 3]

    def post(self, path: str, data: dict[str, Any], headers: dict[str, str], body: bytes = b"") -> httpx.Response:
        return self.testbed.send("POST", path, headers=headers, content=body or json.dumps(data).encode())

    def serve(self, authority: Authority, number: int, host: str = "") -> int:
        """An impostor with a certificate of that authority for the victim's host name; its port."""
        key = ec.generate_private_key(ec.SECP256R1())
        now = time.time()
        made = server_certificate(
            authority, key.public_key(), host or f"{self.starting['name']}.{DOMAIN}", now, now + 1800
        )
        claimed = {**self.identity.claimed, "certificate": pem(made) + pem(authority.certificate)}
        folder = self.folder / f"impostor-{number}"
        folder.mkdir()
        return self.open.enter_context(notebook(Identity(key, claimed).server_context(folder)))


Attack = Callable[[], httpx.Response]
Kind = Callable[[Scene, int], Attack]


def name_only(scene: Scene, number: int) -> Attack:
    action = ACTIONS[number % 4]
    path = f"/v1/links/{scene.victim(number)['name']}/{action}"
    return lambda: scene.post(path, BODIES.get(action, {}), {})


def with_secret(choose: Callable[[Scene], str], actions: tuple[str, ...] = ACTIONS) -> Kind:
    def prepare(scene: Scene, number: int) -> Attack:
        action, made = actions[number % len(actions)], {**scene.victim(number // 4), "secret": choose(scene)}
        return lambda: scene.testbed.job(made, action, BODIES.get(action))

    return prepare


def wrong_user(scene: Scene, number: int) -> Attack:
    action, data = (("cancel", {}), ("job", {"job_id": "666"}))[number % 2]
    path = f"/v1/links/{scene.victim(number)['name']}/{action}"
    user = ("mallory", "root", "Alice", "alice.")[number % 4]
    return lambda: scene.testbed.agent("POST", path, {"user": user, **data})


def wrong_cluster(scene: Scene, number: int) -> Attack:
    path, body = cancelling(scene, number)
    return lambda: scene.post(path, {}, scene.testbed.signed("POST", path, body, "other"), body)


def cancelling(scene: Scene, number: int) -> tuple[str, bytes]:
    return f"/v1/links/{scene.victim(number)['name']}/cancel", b'{"user": "alice"}'


def other_clusters_key(scene: Scene, number: int) -> Attack:
    path, body = cancelling(scene, number)
    headers = {**scene.testbed.signed("POST", path, body, "other"), "X-Lightship-Cluster": "demo"}
    return lambda: scene.post(path, {}, headers, body)


def replayed(scene: Scene, number: int) -> Attack:
    path, body = f"/v1/links/{scene.victim(number)['name']}/job", b'{"user": "alice", "job_id": "17"}'
    headers = scene.testbed.signed("POST", path, body)
    assert scene.post(path, {}, headers, body).status_code == 200
    return lambda: scene.post(path, {}, headers, body)


def stale(scene: Scene, number: int) -> Attack:
    path, body = cancelling(scene, number)
    off = (31 + number) * (-1) ** number
    scene.testbed.clock.now += off
    headers = scene.testbed.signed("POST", path, body)
    scene.testbed.clock.now -= off
    return lambda: scene.post(path, {}, headers, body)


def forged_signature(scene: Scene, number: int) -> Attack:
    path, body = cancelling(scene, number)
    headers = {**scene.testbed.signed("POST", path, body), "X-Lightship-Signature": scene.random.randbytes(32).hex()}
    return lambda: scene.post(path, {}, headers, body)


def moved_signature(scene: Scene, number: int) -> Attack:
    """Mallory's own request, signed for Mallory's link, with the victim's name in the address."""
    path, body = cancelling(scene, number)
    headers = scene.testbed.signed("POST", f"/v1/links/{scene.mallory['name']}/cancel", body)
    return lambda: scene.post(path, {}, headers, body)


def at_the_target(scene: Scene, port: int) -> Attack:
    return lambda: scene.testbed.job(scene.starting, "target", {"port": port})


def forged_authority(scene: Scene, number: int) -> Attack:
    made = new_authority("Lightship links", ExtendedKeyUsageOID.SERVER_AUTH, time.time(), DOMAIN)
    return at_the_target(scene, scene.serve(made, number))


def second_authority(scene: Scene, number: int) -> Attack:
    folder = Keystore(scene.testbed.settings).folders[0]
    proxy = folder / "proxy.crt"
    return at_the_target(scene, scene.serve(load_authority(proxy, key_of(proxy)), number))


def another_links_certificate(scene: Scene, number: int) -> Attack:
    authority = Keystore(scene.testbed.settings).links()
    return at_the_target(scene, scene.serve(authority, number, f"{scene.mallory['name']}.{DOMAIN}"))


def second_certificate_of_the_link(scene: Scene, number: int) -> Attack:
    return at_the_target(scene, scene.serve(Keystore(scene.testbed.settings).links(), number))


def address_in_the_body(scene: Scene, number: int) -> Attack:
    """The right notebook is at the address that the body names; the request comes from another node."""
    folder = scene.folder / f"node-{number}"
    folder.mkdir()
    port = scene.open.enter_context(notebook(scene.identity.server_context(folder)))
    key = ("address", "host", "ip", "target")[number % 4]
    data = {"port": port, key: f"{NODE}:{port}" if key == "target" else NODE}
    return lambda: scene.testbed.job(scene.starting, "target", data, headers={"X-Real-IP": "127.0.0.9"})


def from_address(*choices: str) -> Kind:
    """With the right secret, even: such an address is never a target."""

    def prepare(scene: Scene, number: int) -> Attack:
        address = choices[number % len(choices)]
        data = {"port": 1024 + number, "address": OUTSIDE}
        return lambda: scene.testbed.job(scene.starting, "target", data, headers={"X-Real-IP": address})

    return prepare


def two_addresses(scene: Scene, number: int) -> Attack:
    path = f"/v1/links/{scene.starting['name']}/target"
    pairs = [("Host", f"registry.{DOMAIN}:8443"), ("Authorization", f"Bearer {scene.starting['secret']}")]
    pairs += [("X-Real-IP", OUTSIDE), ("X-Real-IP" if number % 2 else "x-real-ip", NODE if number % 3 else OUTSIDE)]
    return lambda: scene.testbed.send_raw("POST", path, httpx.Headers(pairs), b'{"port": 4000}')


def claimed_twice(scene: Scene, number: int) -> Attack:
    made = (scene.starting, scene.ready)[number % 2]
    return lambda: scene.testbed.job(made, "claim", {"csr": CSR})


def target_moved(scene: Scene, number: int) -> Attack:
    data, headers = {"port": 8889 + number}, {"X-Real-IP": ("10.99.0.1", OUTSIDE)[number % 2]}
    return lambda: scene.testbed.job(scene.ready, "target", data, headers=headers)


@dataclass(frozen=True)
class Attempts:
    kind: Kind
    count: int
    code: str
    title: str
    local: bool = True


def addresses(title: str, count: int, *choices: str) -> Attempts:
    return Attempts(from_address(*choices), count, "bad-address", title, local=False)


ALL = (
    Attempts(name_only, 100, "refused", "name only"),
    Attempts(with_secret(lambda scene: scene.random.randbytes(32).hex()), 120, "refused", "wrong secret"),
    Attempts(with_secret(lambda scene: scene.mallory["secret"]), 100, "refused", "another user's secret"),
    Attempts(with_secret(lambda _: TOKEN * 2, ("heartbeat", "end")), 10, "refused", "the token for a secret"),
    Attempts(with_secret(lambda scene: scene.mallory["secret"], ("heartbeat",)), 20, "refused", "foreign heartbeat"),
    Attempts(with_secret(lambda scene: scene.mallory["secret"], ("end",)), 20, "refused", "foreign end"),
    Attempts(wrong_user, 80, "no-such-link", "wrong user, cancel and job of a foreign link"),
    Attempts(wrong_cluster, 60, "no-such-link", "other cluster's valid signature"),
    Attempts(other_clusters_key, 30, "refused", "other cluster's key"),
    Attempts(replayed, 60, "replayed", "replayed request"),
    Attempts(stale, 60, "clock", "stale time stamp"),
    Attempts(forged_signature, 70, "refused", "forged signature"),
    Attempts(moved_signature, 30, "refused", "signature of another address"),
    Attempts(forged_authority, 8, "wrong-certificate", "forged authority"),
    Attempts(second_authority, 8, "wrong-certificate", "the proxy's authority"),
    Attempts(another_links_certificate, 8, "wrong-certificate", "another link's certificate"),
    Attempts(second_certificate_of_the_link, 6, "wrong-certificate", "a second certificate of the link"),
    Attempts(address_in_the_body, 10, "no-answer", "address in the body"),
    addresses("loopback", 20, NODE, "127.9.9.9", "::1"),
    addresses("link-local", 15, "169.254.1.1", "fe80::1", "fe80::1%eth0"),
    addresses("metadata", 10, "169.254.169.254"),
    addresses("multicast", 15, "224.0.0.1", "239.1.2.3", "ff02::1"),
    addresses("unspecified", 10, "0.0.0.0", "::"),  # noqa: S104 - nobody binds to it
    addresses("own", 10, own_address()),
    addresses("IPv4 in IPv6", 20, "::ffff:127.0.0.1", "::ffff:169.254.169.254", "::ffff:224.0.0.1", "::ffff:192.0.2.7"),
    addresses("foreign network", 20, "192.0.2.7", "198.51.100.1", "2001:db8::7"),
    addresses("no address", 10, "", "localhost", "10.1.1.1, 10.1.1.2", "010.1.1.1"),
    Attempts(two_addresses, 20, "bad-address", "two addresses", local=False),
    Attempts(claimed_twice, 25, "already-claimed", "claimed twice"),
    Attempts(target_moved, 25, "target-set", "moved after publication", local=False),
)


def test_they_are_a_thousand() -> None:
    assert sum(attempts.count for attempts in ALL) == 1000


@pytest.fixture
def scene(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Scene]:
    attempts: Attempts = request.getfixturevalue("attempts")
    networks = tuple(ipaddress.ip_network(text) for text in (*NETWORKS, f"{own_address()}/32"))
    clusters = {"demo": networks, "other": networks}
    testbed = build_testbed(tmp_path, clusters=clusters, allow_local_targets=attempts.local)
    scene = Scene(testbed, tmp_path)
    with scene.open:
        yield scene
    testbed.engine.dispose()


@pytest.mark.parametrize("attempts", ALL, ids=lambda attempts: attempts.title)
def test_no_link_is_taken_over(scene: Scene, attempts: Attempts, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", "lightship")
    hidden = scene.secrets()
    for number in range(attempts.count):
        attack = attempts.kind(scene, number)
        before = scene.picture()
        caplog.clear()
        answer = attack()
        assert (answer.is_error, answer.json()["code"]) == (True, attempts.code), (number, answer.text)
        assert scene.picture() == before, number
        lines = [entry.getMessage() for entry in caplog.records if entry.name.startswith("lightship")]
        assert [json.loads(line).get("result") for line in lines] == ["refused"], lines
        assert not [line for line in lines for secret in hidden if secret in line]
        assert not [secret for secret in hidden if secret in answer.text]
