from __future__ import annotations

import time
from typing import Any

import pytest

from lightship_cluster.core.errors import ExitStatus, LightshipError
from lightship_cluster.job import lease
from lightship_cluster.registry_client.registry import LinkRegistry
from lightship_cluster.registry_client.transport import Transport
from unit.lightship_cluster.fake_registry import Asked, FakeRegistry, Reply

CLAIM = {"certificate": "C", "client_ca": "A", "expires": 5, "heartbeat": 30, "host": "h", "origin": "https://h"}
REFUSED = (403, {"code": "refused", "error": "Refused."})
ENDED = (410, {"code": "ended", "error": "This link has ended."})


@pytest.fixture
def link(registry: FakeRegistry, monkeypatch: pytest.MonkeyPatch) -> LinkRegistry:
    monkeypatch.setattr(lease, "CLAIM_SECONDS", 1.5)
    monkeypatch.setattr(lease, "PUBLISH_SECONDS", 1.5)
    return LinkRegistry(Transport(registry.url, registry.ca_file, 2), "one-two-three", "ab" * 32)


def one_after_another(*replies: Reply) -> Any:
    left = list(replies)

    def reply(_asked: Asked) -> Reply:
        return left.pop(0) if len(left) > 1 else left[0]

    return reply


def test_a_claim_outlives_a_restart_of_the_registry(registry: FakeRegistry, link: LinkRegistry) -> None:
    registry.replies["claim"] = one_after_another((502, b"<html>"), (200, CLAIM))

    assert lease.claim(link, "CSR", {}) == lease.Claim("C", "A", 5.0, 30.0, "h", "https://h")
    assert registry.actions() == ["claim", "claim"]


@pytest.mark.parametrize(
    ("reply", "status", "words"),
    [
        (REFUSED, ExitStatus.LINK_ENDED, "Refused. Start a new notebook"),
        ((409, {"code": "already-claimed", "error": "Claimed."}), ExitStatus.LINK_ENDED, "Claimed"),
        (ENDED, ExitStatus.LINK_ENDED, r"^The link was ended before its notebook was open\. Start a new notebook\.$"),
        ((422, {"code": "bad-csr", "error": "Bad."}), ExitStatus.REGISTRY, "The registry says: Bad"),
        ((200, {}), ExitStatus.REGISTRY, "lacks"),
    ],
)
def test_a_refused_claim_is_not_repeated(
    registry: FakeRegistry, link: LinkRegistry, reply: Reply, status: ExitStatus, words: str
) -> None:
    registry.replies["claim"] = reply
    with pytest.raises(LightshipError, match=words) as refused:
        lease.claim(link, "CSR", {})

    assert refused.value.status is status
    assert registry.actions() == ["claim"]


def test_an_unreachable_registry_is_given_up_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "CLAIM_SECONDS", 0.6)
    nowhere = LinkRegistry(Transport("https://127.0.0.1:9"), "one-two-three", "ab" * 32)
    with pytest.raises(LightshipError, match="cannot be reached from this node") as refused:
        lease.claim(nowhere, "CSR", {})

    assert refused.value.status is ExitStatus.REGISTRY
    lease.end(nowhere, "failed", "why")


@pytest.mark.parametrize("code", ["target-taken", "no-answer"])
def test_publishing_waits_for_a_port_that_rests(registry: FakeRegistry, link: LinkRegistry, code: str) -> None:
    registry.replies["target"] = one_after_another((409, {"code": code, "error": "Not yet."}), (200, {}))
    lease.publish(link, "10.1.0.5", 4567)

    assert registry.actions() == ["target", "target"]


@pytest.mark.parametrize(
    ("reply", "words", "attempts"),
    [
        ((502, {"code": "wrong-certificate", "error": "Another certificate."}), "Another certificate", 1),
        ((422, {"code": "bad-address", "error": "Outside."}), "Outside", 1),
        ((502, {"code": "no-answer", "error": "No answer."}), "No answer", 2),
    ],
)
def test_publishing_fails_with_the_registrys_words(
    registry: FakeRegistry, link: LinkRegistry, reply: Reply, words: str, attempts: int
) -> None:
    registry.replies["target"] = reply
    with pytest.raises(LightshipError, match=words):
        lease.publish(link, "10.1.0.5", 4567)

    assert len(registry.asked) == attempts


def test_a_port_that_stays_another_links_asks_for_a_new_start(registry: FakeRegistry, link: LinkRegistry) -> None:
    sentence = "It is taken. Let the notebook listen on another port."
    registry.replies["target"] = (409, {"code": "target-taken", "error": sentence})
    with pytest.raises(LightshipError, match=r"^Port 4567 .* Start again\.$") as refused:
        lease.publish(link, "10.1.0.5", 4567)

    assert refused.value.status is ExitStatus.PORT


def test_the_heart_stops_for_an_end_but_not_for_an_outage(
    registry: FakeRegistry, link: LinkRegistry, capsys: pytest.CaptureFixture[str]
) -> None:
    heart = lease.Heart(link, time.time() + 60)
    alive, down = (200, {"state": "ready"}), (502, b"")
    registry.replies["heartbeat"] = one_after_another(alive, down, down, (410, b"<html>"), alive, ENDED)

    assert (heart.beat(), heart.pause(30)) == ("", 30)
    assert (heart.beat(), heart.pause(30)) == ("", lease.RETRY_SECONDS)
    assert [heart.beat() for _ in range(4)] == ["", "", "", "The link was ended."]
    printed = capsys.readouterr().out
    assert printed.count("does not answer") == 1
    assert printed.count("answers again") == 1


def test_the_heart_believes_a_lasting_refusal_only(
    registry: FakeRegistry, link: LinkRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [5000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    heart = lease.Heart(link, time.time() + 60)
    registry.replies["heartbeat"] = one_after_another(REFUSED, REFUSED, (200, {}), REFUSED)
    said = []
    for _ in range(6):
        said.append(heart.beat())
        now[0] += 600

    # A proxy host that was lost knows nobody until its backup is restored.
    assert said == ["", "", "", "", "", "The registry no longer knows the link."]


def test_the_heart_knows_when_time_is_over(link: LinkRegistry, registry: FakeRegistry) -> None:
    assert lease.Heart(link, time.time() - 1).beat() == lease.TIME_OVER
    assert not registry.asked


BUSY = (429, {"code": "too-many-requests", "error": "Too many requests from this address; try again in a second."})


@pytest.mark.parametrize("busy", [BUSY, (503, b"<html>"), (502, {"code": "registry-unreachable", "error": "No."})])
def test_a_job_waits_and_tries_again_where_there_is_no_time_for_it(
    registry: FakeRegistry, link: LinkRegistry, busy: Reply
) -> None:
    for action in ("claim", "target"):
        registry.replies[action] = one_after_another(busy, (200, CLAIM))
    lease.claim(link, "CSR", {})
    lease.publish(link, "10.1.0.5", 4567)
    assert registry.actions() == ["claim", "claim", "target", "target"]


def test_an_end_is_told_again_where_there_was_no_time_for_it(
    registry: FakeRegistry, link: LinkRegistry, slept: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    registry.replies["end"] = one_after_another(BUSY, (200, {}))
    lease.end(link, "failed", "why")
    assert registry.actions() == ["end", "end"]

    slept.clear()
    registry.replies["end"] = BUSY
    lease.end(link, "failed", "why")
    assert sum(slept) == lease.END_SECONDS
    assert "Could not tell the registry that the link has ended (Too many requests" in capsys.readouterr().out


def test_the_heart_asks_again_soon_where_there_was_no_time_for_it(
    registry: FakeRegistry, link: LinkRegistry, capsys: pytest.CaptureFixture[str]
) -> None:
    heart = lease.Heart(link, time.time() + 60)
    registry.headers["Retry-After"] = "3"
    registry.replies["heartbeat"] = one_after_another(BUSY, BUSY, BUSY, BUSY, (200, {}))
    pauses = []
    for _ in range(5):
        assert heart.beat() == ""
        pauses.append(heart.pause(30))

    assert pauses == [3, 3, 4, 5, 30]
    # Only when it goes on is it worth a line of the log.
    assert [line.partition(" (")[0] for line in capsys.readouterr().out.splitlines()] == [
        "The registry does not answer",
        "The registry answers again.",
    ]


@pytest.mark.parametrize(
    ("code", "sentence", "nat"),
    [
        ("no-answer", "No notebook answers at port 4567 of 10.1.0.5, tried from 10.1.0.10 (timeout).", False),
        ("no-answer", "No notebook answers at port 4567 of 10.1.0.50, tried from 10.1.0.10 (timeout).", True),
        ("bad-address", "This cannot be a target: 203.0.113.9 lies outside.", True),
        ("bad-address", "This cannot be a target: 10.1.0.5 lies outside.", False),
    ],
)
def test_a_notebook_that_is_not_reached_is_told_with_both_addresses(
    registry: FakeRegistry, link: LinkRegistry, code: str, sentence: str, *, nat: bool
) -> None:
    registry.replies["target"] = (422, {"code": code, "error": sentence})
    with pytest.raises(LightshipError) as refused:
        lease.publish(link, "10.1.0.5", 4567)

    # What the link's page has room for.
    assert refused.value.sentence[:200].startswith("The notebook listens at port 4567 of 10.1.0.5")
    assert ("(NAT) and cannot reach it" in refused.value.sentence[:200]) is nat
    assert refused.value.sentence.endswith(f". The registry says: {sentence}")
