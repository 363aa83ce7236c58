from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from lightship_cluster.agent_client import AgentClient, AgentError
from lightship_cluster.agent_requests import Peer
from lightship_cluster.agent_server import AgentServer
from lightship_cluster.errors import ExitStatus

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

    assert [question for _, question in asked] == [
        {"op": "ping"},
        {"op": "create", "seconds": 60},
        {"op": "create", "seconds": 60, "command": "start-jupyter -t 1"},
        {"op": "job", "name": "a-b-c", "job_id": "17"},
        {"op": "status", "name": "a-b-c"},
        {"op": "cancel", "name": "a-b-c", "reason": "why"},
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


def test_no_agent_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(AgentError, match=r"absent\.sock.*No such file.*administrators") as refused:
        AgentClient(tmp_path / "absent.sock").ping()

    assert refused.value.status is ExitStatus.AGENT
