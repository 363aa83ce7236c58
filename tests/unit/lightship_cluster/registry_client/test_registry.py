from __future__ import annotations

import pytest

from lightship_cluster.registry_client.registry import BUSY_SECONDS, LinkRegistry, SignedRegistry
from lightship_cluster.registry_client.transport import Transport
from unit.lightship_cluster.fake_registry import FakeRegistry


@pytest.fixture
def signed(registry: FakeRegistry) -> SignedRegistry:
    return SignedRegistry(Transport(registry.url, registry.ca_file), "demo", bytes(32))


@pytest.fixture
def link(registry: FakeRegistry) -> LinkRegistry:
    return LinkRegistry(Transport(registry.url, registry.ca_file), "one-two-three", "ab" * 32)


def test_the_agent_signs_every_request(registry: FakeRegistry, signed: SignedRegistry) -> None:
    signed.ping()
    signed.create("alice", 60, {"title": "mine"})
    signed.set_job("alice", "one-two-three", "17")
    signed.status("al+ice", "one-two-three")
    signed.cancel("alice", "one-two-three", "done")
    signed.report_jobs([{"job_id": "17", "state": "queued"}], {})
    signed.keys("al+ice")
    signed.add_key("alice", "ssh-ed25519 AAAA alice@laptop")
    signed.remove_key("alice", "SHA256:abc")

    assert [(asked.method, asked.path) for asked in registry.asked] == [
        ("GET", "/v1/ping"),
        ("POST", "/v1/links"),
        ("POST", "/v1/links/one-two-three/job"),
        ("GET", "/v1/links/one-two-three?user=al%2Bice"),
        ("POST", "/v1/links/one-two-three/cancel"),
        ("POST", "/v1/jobs"),
        ("GET", "/v1/keys?user=al%2Bice"),
        ("POST", "/v1/keys"),
        ("POST", "/v1/keys/remove"),
    ]
    assert registry.asked[1].json == {"user": "alice", "seconds": 60, "title": "mine"}
    assert registry.asked[5].json == {"jobs": [{"job_id": "17", "state": "queued"}]}
    assert registry.asked[7].json == {"user": "alice", "key": "ssh-ed25519 AAAA alice@laptop"}
    assert registry.asked[8].json == {"user": "alice", "fingerprint": "SHA256:abc"}
    assert all(asked.headers["X-Lightship-Cluster"] == "demo" for asked in registry.asked)


def test_the_job_bears_the_secret_in_a_header_only(registry: FakeRegistry, link: LinkRegistry) -> None:
    link.claim("CSR", {"node": "node1"})
    link.target(4567)
    link.heartbeat()
    link.end("failed", "over", "last\nwords")

    assert registry.actions() == ["claim", "target", "heartbeat", "end"]
    ending = {"cause": "failed", "reason": "over", "tail": "last\nwords"}
    assert [asked.json for asked in registry.asked] == [{"csr": "CSR", "node": "node1"}, {"port": 4567}, {}, ending]
    assert {asked.headers["Authorization"] for asked in registry.asked} == {"Bearer " + "ab" * 32}
    assert not any("abab" in asked.path for asked in registry.asked)


BUSY = (429, {"code": "too-many-requests", "error": "Too many requests."})


def test_the_agent_signs_anew_and_tries_again_where_there_is_no_time_for_it(
    registry: FakeRegistry, signed: SignedRegistry, slept: list[float]
) -> None:
    left = [BUSY, (503, b"<html>"), (200, {"ok": True})]
    registry.replies["ping"] = lambda _asked: left.pop(0)

    assert signed.ping().ok
    assert len(slept) == 2
    assert len({asked.headers["X-Lightship-Nonce"] for asked in registry.asked}) == 3
    # Whose allowance it is stays the same, and is no signature.
    allowances = {asked.headers["X-Lightship-Allowance"] for asked in registry.asked}
    assert len(allowances) == 1
    assert not allowances & {asked.headers["X-Lightship-Signature"] for asked in registry.asked}


def test_the_agent_does_not_wait_for_ever(registry: FakeRegistry, signed: SignedRegistry, slept: list[float]) -> None:
    registry.replies["ping"] = BUSY
    assert signed.ping().code == "too-many-requests"
    assert sum(slept) == BUSY_SECONDS
    assert len(registry.asked) == len(slept) + 1

    slept.clear()
    registry.headers["Retry-After"] = "4"
    assert signed.ping().code == "too-many-requests"
    assert slept == [4, 4]


def test_a_quota_is_an_answer_and_nothing_to_wait_for(registry: FakeRegistry, signed: SignedRegistry) -> None:
    registry.replies["links"] = (429, {"code": "quota", "error": "You have 10 live links."})
    assert signed.create("alice", 60, {}).code == "quota"
    assert len(registry.asked) == 1
