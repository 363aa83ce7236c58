from __future__ import annotations

from typing import Any

import pytest

from lightship_cluster.agent.job_states import JobStates
from lightship_cluster.agent.requests import Peer, Requests
from lightship_cluster.registry_client.registry import SignedRegistry
from lightship_cluster.registry_client.transport import Transport
from lightship_cluster.schedulers.base import JobState
from lightship_cluster.schedulers.slurm import Slurm
from unit.lightship_cluster.fake_registry import FakeRegistry

ALICE = Peer(2001, "alice")


class KnownJobs(JobStates):
    def get(self, job_id: str) -> JobState | None:
        return {"17": JobState("PENDING", "Priority", 1795254421, "", 2001), "18": JobState("RUNNING", uid=2002)}.get(
            job_id
        )


@pytest.fixture
def requests(registry: FakeRegistry) -> Requests:
    signed = SignedRegistry(Transport(registry.url, registry.ca_file), "demo", bytes(32))
    return Requests(signed, KnownJobs(Slurm(), 5))


def test_a_link_is_made_for_the_one_who_asks(registry: FakeRegistry, requests: Requests) -> None:
    registry.replies["links"] = (201, {"name": "one-two-three", "secret": "s"})
    reply = requests.answer(ALICE, {"op": "create", "seconds": 60, "user": "bob"})

    assert reply == {"name": "one-two-three", "secret": "s", "ok": True}
    assert registry.asked[0].json["user"] == "alice"


def test_what_the_user_tells_is_passed_on_and_nothing_else(registry: FakeRegistry, requests: Requests) -> None:
    registry.replies["links"] = (201, {})
    told = {"title": "", "command": "start-jupyter -t 60", "token_sha256": "ab" * 32, "subject": "program"}
    requests.answer(ALICE, {"op": "create", "seconds": 60, **told, "job_state": "running"})

    del told["title"]
    assert registry.asked[0].json == {"user": "alice", "seconds": 60, **told}
    # A newer start-jupyter may know more kinds.
    for subject in ("desktop", 7, ["program"]):
        requests.answer(ALICE, {"op": "create", "seconds": 60, "subject": subject})
        assert registry.asked[-1].json == {"user": "alice", "seconds": 60}


def test_the_other_questions_reach_the_registry(registry: FakeRegistry, requests: Requests) -> None:
    registry.replies.update({"ping": (200, {}), "job": (200, {}), "cancel": (200, {})})

    assert requests.answer(ALICE, {"op": "ping"}) == {"ok": True}
    assert requests.answer(ALICE, {"op": "job", "name": "one-two-three", "job_id": "17"})["ok"]
    assert requests.answer(ALICE, {"op": "cancel", "name": "one-two-three", "reason": "why"})["ok"]


def test_keys_are_those_of_the_one_who_asks(registry: FakeRegistry, requests: Requests) -> None:
    answer: dict[str, Any] = {"keys": [], "listen": [], "destination": ""}
    registry.replies.update(keys=(200, answer), remove=(200, answer))
    fingerprint = "SHA256:" + "aZ+/" * 10 + "xyz"

    assert requests.answer(ALICE, {"op": "keys", "user": "bob"}) == {**answer, "ok": True}
    assert requests.answer(ALICE, {"op": "key-add", "key": "ssh-ed25519 AAAA", "user": "bob"})["ok"]
    assert requests.answer(ALICE, {"op": "key-remove", "fingerprint": fingerprint, "user": "bob"})["ok"]
    assert registry.actions() == ["keys?user=alice", "keys", "remove"]
    assert [asked.json["user"] for asked in registry.asked[1:]] == ["alice", "alice"]


@pytest.mark.parametrize(
    ("job_id", "job"),
    [
        ("17", {"state": "PENDING", "reason": "Priority", "start": 1795254421, "node": ""}),
        ("18", None),  # bob's job
        ("99", None),  # not polled yet
    ],
)
def test_a_job_is_shown_to_its_owner_only(
    registry: FakeRegistry, requests: Requests, job_id: str, job: dict[str, str | int] | None
) -> None:
    registry.replies["one-two-three"] = (200, {"state": "waiting", "job_id": job_id})

    assert requests.answer(ALICE, {"op": "status", "name": "one-two-three"})["job"] == job


@pytest.mark.parametrize(
    "question",
    [
        {},
        {"op": ["ping"]},
        {"op": "create", "seconds": "60"},
        {"op": "create", "seconds": True},
        {"op": "create", "seconds": -1},
        {"op": "create", "seconds": 60, "title": "a\nb"},
        {"op": "create", "seconds": 60, "title": "x" * 300},
        {"op": "create", "seconds": 60, "command": "x" * 501},
        {"op": "create", "seconds": 60, "command": ["start-jupyter"]},
        {"op": "create", "seconds": 60, "token_sha256": "AB" * 32},
        {"op": "create", "seconds": 60, "token_sha256": 0},
        {"op": "status"},
        {"op": "status", "name": "../../v1/ping"},
        {"op": "job", "name": "one-two-three", "job_id": 17},
        {"op": "job", "name": "one-two-three", "job_id": "17,18 --x"},
        {"op": "cancel", "name": "one-two-three", "reason": 5},
        {"op": "key-add"},
        {"op": "key-add", "key": ""},
        {"op": "key-add", "key": ["ssh-ed25519"]},
        {"op": "key-add", "key": "ssh-ed25519 AAAA a\nssh-ed25519 AAAA b"},
        {"op": "key-add", "key": "ssh-ed25519 AAAA \x1b[2J"},
        {"op": "key-add", "key": "ssh-ed25519 AAAA Zoë"},
        {"op": "key-add", "key": "ssh-rsa " + "A" * 4089},
        {"op": "key-remove"},
        {"op": "key-remove", "fingerprint": "SHA256:" + "a" * 42},
        {"op": "key-remove", "fingerprint": "SHA256:" + "a" * 43 + "\n"},
        {"op": "key-remove", "fingerprint": "MD5:" + "a" * 43},
    ],
)
def test_a_bad_question_never_reaches_the_registry(
    registry: FakeRegistry, requests: Requests, question: dict[str, Any]
) -> None:
    assert requests.answer(ALICE, question)["code"] == "bad-request"
    assert not registry.asked


@pytest.mark.parametrize(
    ("answer", "code", "words"),
    [
        ((429, {"code": "quota", "error": "Too many."}), "quota", "Too many"),
        ((403, {"code": "refused", "error": "Refused."}), "refused", "clock"),
        ((500, {"code": "registry-error", "error": "Oops"}), "registry-unreachable", "out of order"),
        ((404, b"<html>"), "registry-unreachable", "out of order"),
        ((404, {"code": "no-such-address", "error": "No."}), "no-such-address", "registry is older than this command"),
    ],
)
def test_refusals_are_passed_on_with_a_remedy(
    registry: FakeRegistry, requests: Requests, answer: Any, code: str, words: str
) -> None:
    registry.replies["ping"] = answer
    reply = requests.answer(ALICE, {"op": "ping"})

    assert (reply["ok"], reply["code"]) == (False, code)
    assert words in reply["error"]


def test_an_unreachable_registry_is_said() -> None:
    signed = SignedRegistry(Transport("https://no-such-host.invalid"), "demo", bytes(32))
    reply = Requests(signed, JobStates(Slurm(), 5)).answer(ALICE, {"op": "ping"})

    assert reply["code"] == "registry-unreachable"
    assert "no-such-host.invalid" in reply["error"]
