from __future__ import annotations

import os
import pwd
import socket
import stat
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from lightship_cluster.agent import server as agent_server
from lightship_cluster.agent import shares
from lightship_cluster.agent.agent_protocol import read_line
from lightship_cluster.agent.requests import Peer
from lightship_cluster.agent.server import AgentServer
from lightship_cluster.core.errors import LightshipError


def echo(peer: Peer, question: dict[str, Any]) -> dict[str, Any]:
    if question.get("op") == "crash":
        raise RuntimeError
    return {"ok": True, "user": peer.user, "uid": peer.uid, "question": question}


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    server = AgentServer(tmp_path / "agent.sock", echo)
    thread = Thread(target=server.serve)
    thread.start()
    yield tmp_path / "agent.sock"
    server.close()
    thread.join(5)
    assert not thread.is_alive()


def connect(path: Path) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.connect(str(path))
    return connection


def ask(path: Path, line: bytes) -> dict[str, Any]:
    with connect(path) as connection:
        connection.sendall(line)
        return read_line(connection, 5)


def test_the_kernel_says_who_asks(path: Path) -> None:
    answer = ask(path, b'{"op": "x", "user": "root", "uid": 0}\n')

    assert (answer["user"], answer["uid"]) == (pwd.getpwuid(os.getuid()).pw_name, os.getuid())


def test_every_user_may_connect(path: Path) -> None:
    assert stat.S_IMODE(path.stat().st_mode) == 0o666


def test_nonsense_gets_a_sentence(path: Path) -> None:
    assert ask(path, b"nonsense\n") == {"ok": False, "code": "bad-request", "error": "The line is not JSON."}


def test_one_user_cannot_take_all_connections(path: Path) -> None:
    idle = [connect(path) for _ in range(shares.CONNECTIONS_PER_USER)]
    time.sleep(0.1)
    with connect(path) as extra:
        assert read_line(extra, 5)["code"] == "busy"
    for connection in idle:
        connection.close()
    time.sleep(0.1)
    assert ask(path, b"{}\n")["ok"]


def test_a_host_without_threads_for_it_costs_one_answer_only(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class NoThread:
        def __init__(self, **_options: object) -> None:
            raise RuntimeError("can't start new thread")

    for _ in range(shares.CONNECTIONS_PER_USER + 1):
        with monkeypatch.context() as patched:
            patched.setattr(threading, "Thread", NoThread)
            with connect(path) as connection:
                assert read_line(connection, 5)["code"] == "busy"

    assert ask(path, b"{}\n")["ok"]


def test_an_idle_connection_is_closed(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent_server, "LINE_SECONDS", 0.1)
    with connect(path) as idle:
        assert "in time" in read_line(idle, 5)["error"]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_crash_costs_one_answer_only(path: Path) -> None:
    for _ in range(shares.CONNECTIONS_PER_USER + 1):
        with connect(path) as connection:
            connection.sendall(b'{"op": "crash"}\n')
            assert connection.recv(1) == b""
    time.sleep(0.1)
    assert ask(path, b"{}\n")["ok"]


def test_someone_without_a_name_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent_server, "_peer_uid", lambda _connection: agent_server.OVERFLOW_UID)
    assert ask(path, b"{}\n")["code"] == "refused"
    monkeypatch.setattr(agent_server, "_peer_uid", lambda _connection: 4_000_000_000)
    assert ask(path, b"{}\n")["code"] == "refused"


def test_a_stale_socket_is_replaced_but_not_a_living_one(path: Path, tmp_path: Path) -> None:
    with pytest.raises(LightshipError, match="Another agent"):
        AgentServer(path, echo)
    stale = tmp_path / "stale.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as dead:
        dead.bind(str(stale))
    AgentServer(stale, echo).close()


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(LightshipError, match="Cannot listen"):
        AgentServer(tmp_path / "absent" / "agent.sock", echo)
