from __future__ import annotations

import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from lightship_cluster.agent import client
from lightship_cluster.agent.client import AgentClient, AgentError
from lightship_cluster.agent.requests import Peer
from lightship_cluster.agent.server import AgentServer
from lightship_cluster.core.errors import ExitStatus

asked: list[tuple[Peer, dict[str, Any]]] = []
reply: dict[str, Any] = {}


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[AgentClient]:
    asked.clear()
    reply.clear()

    def handler(peer: Peer, question: dict[str, Any]) -> dict[str, Any]:
        asked.append((peer, question))
        return reply

    server = AgentServer(tmp_path / "agent.sock", handler)
    thread = Thread(target=server.serve)
    thread.start()
    yield AgentClient(tmp_path / "agent.sock", 5)
    server.close()
    thread.join()


def test_each_question_reaches_the_agent(agent: AgentClient) -> None:
    reply.update(ok=True)
    agent.ping()
    agent.create(60)
    agent.create(60, command="start-jupyter -t 1")
    agent.set_job("a-b-c", "17")
    agent.status("a-b-c")
    agent.cancel("a-b-c", "why")
    agent.keys()
    agent.add_key("ssh-ed25519 AAAA")
    agent.remove_key("SHA256:abc")

    assert [question for _, question in asked] == [
        {"op": "ping"},
        {"op": "create", "seconds": 60},
        {"op": "create", "seconds": 60, "command": "start-jupyter -t 1"},
        {"op": "job", "name": "a-b-c", "job_id": "17"},
        {"op": "status", "name": "a-b-c"},
        {"op": "cancel", "name": "a-b-c", "reason": "why"},
        {"op": "keys"},
        {"op": "key-add", "key": "ssh-ed25519 AAAA"},
        {"op": "key-remove", "fingerprint": "SHA256:abc"},
    ]
    assert {peer.uid for peer, _ in asked} == {os.getuid()}


@pytest.mark.parametrize(
    ("code", "status"), [("registry-unreachable", ExitStatus.REGISTRY), ("quota", ExitStatus.REFUSED)]
)
def test_a_refusal_keeps_its_sentence(agent: AgentClient, code: str, status: ExitStatus) -> None:
    reply.update(ok=False, code=code, error="No more.")

    with pytest.raises(AgentError, match="No more") as refused:
        agent.create(60)

    assert (refused.value.status, refused.value.code) == (status, code)


def test_an_agent_that_does_not_know_the_question_is_said_to_be_old(agent: AgentClient) -> None:
    reply.update(ok=False, code="bad-request", error="op must be one of cancel, create, job, ping, status.")

    with pytest.raises(AgentError, match="agent on this host is older than this command") as refused:
        agent.keys()

    assert refused.value.status is ExitStatus.AGENT


def test_answers_may_be_longer_than_questions(agent: AgentClient) -> None:
    reply.update(ok=True, keys=[{"comment": "x" * 4000}] * 10)

    assert agent.keys() == reply


def test_no_agent_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(AgentError, match=r"absent\.sock.*No such file.*administrators") as refused:
        AgentClient(tmp_path / "absent.sock").ping()

    assert refused.value.status is ExitStatus.AGENT


def test_whoever_asks_much_at_once_is_served_one_after_the_other(tmp_path: Path) -> None:
    def handler(_peer: Peer, _question: dict[str, Any]) -> dict[str, Any]:
        time.sleep(0.05)
        return {"ok": True}

    server = AgentServer(tmp_path / "agent.sock", handler)
    thread = Thread(target=server.serve)
    thread.start()
    try:
        with ThreadPoolExecutor(20) as pool:
            clients = [AgentClient(tmp_path / "agent.sock", 5) for _ in range(20)]
            assert list(pool.map(AgentClient.ping, clients)) == [{"ok": True}] * 20
    finally:
        server.close()
        thread.join()


def test_an_agent_that_stays_busy_is_said(agent: AgentClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "BUSY_SECONDS", 0.3)
    reply.update(ok=False, code="busy", error="Too many questions at once. Try again in a few seconds.")
    with pytest.raises(AgentError, match="Try again in a few seconds"):
        agent.ping()
    assert len(asked) > 1
