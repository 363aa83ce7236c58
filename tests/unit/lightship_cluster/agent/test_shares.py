"""What one user of a login node can take from the others at the agent's socket."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Thread

import pytest

from lightship_cluster.agent import server as agent_server
from lightship_cluster.agent import shares as agent_shares
from lightship_cluster.agent.agent_protocol import read_line
from lightship_cluster.agent.server import AgentServer
from lightship_cluster.agent.shares import Shares, Slot

SCRIPTS = Path(agent_server.__file__).parents[2]
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be two users, as in make test")

# Four threads that connect as fast as they can. Each keeps so many connections open, and says nothing.
CROWD = r"""
import collections, os, socket, sys, threading
os.setuid(50000)
path, kept = sys.argv[1], int(sys.argv[2])
def crowd():
    held, number = collections.deque(maxlen=kept), 0
    while True:
        one = socket.socket(socket.AF_UNIX)
        try:
            one.connect(path)
        except OSError:
            continue
        held.append(one)
        number += 1
        if number == 200:
            os.write(1, b"crowded\n")
for _ in range(4):
    threading.Thread(target=crowd).start()
"""
# One connection each of numbers that are no user's, as a user of namespaces has by the thousand. Each says nothing, and
# another follows as soon as the agent has no more patience with it.
NUMBERS = r"""
import collections, os, socket, sys, time
held = collections.deque(maxlen=900)
for number in range(10**9):
    os.seteuid(200000 + number % 60000)
    one = socket.socket(socket.AF_UNIX)
    one.connect(sys.argv[1])
    os.seteuid(0)
    held.append(one)
    if number == 200:
        os.write(1, b"crowded\n")
    if number > 200:
        time.sleep(0.004)
"""
# Each of twelve users asks four times, one after the other.
OTHERS = """
import os, sys
from pathlib import Path
from lightship_cluster.agent.client import AgentClient
def ask(uid):
    os.setuid(uid)
    for _ in range(4):
        assert AgentClient(Path(sys.argv[1])).ping()["uid"] == uid
    os._exit(0)
children = []
for uid in range(50001, 50013):
    children.append(os.fork())
    if not children[-1]:
        ask(uid)
print(sum(os.waitpid(child, 0)[1] == 0 for child in children))
"""


class Hands:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


# In the words of the oldest Python, which reads this line when it runs.
Enter = Callable[[Shares, int], "tuple[Slot | None, socket.socket]"]


@pytest.fixture
def enter() -> Iterator[Enter]:
    """Return a function that connects a user: it returns the slot, if there was one, and the user's end."""
    with ExitStack() as opened:

        def enter(shares: Shares, uid: int) -> tuple[Slot | None, socket.socket]:
            ours, theirs = map(opened.enter_context, socket.socketpair())
            return shares.enter(uid, ours), theirs

        yield enter


def test_a_silent_connection_makes_room_for_a_user_who_has_fewer(enter: Enter) -> None:
    shares = Shares()
    users = range(agent_shares.CONNECTIONS // agent_shares.CONNECTIONS_PER_USER)
    crowd = {uid: [enter(shares, uid) for _ in range(agent_shares.CONNECTIONS_PER_USER)] for uid in users}
    (talks, _), (silent, theirs), *_ = crowd[0]
    assert talks
    assert silent
    assert shares.begin(talks)

    newcomer, _ = enter(shares, 99)
    assert newcomer
    assert shares.begin(newcomer)
    # The oldest of those that said nothing has gone, with the word that there is no time, and will not be served.
    assert read_line(theirs, 1)["code"] == "busy"
    assert not shares.begin(silent)
    shares.leave(silent)
    assert [slot for user in crowd.values() for slot, _ in user if not slot or slot.lost] == [silent]


def test_users_with_equal_shares_take_nothing_from_each_other(enter: Enter) -> None:
    shares = Shares()
    for uid in range(agent_shares.CONNECTIONS):
        assert enter(shares, uid)[0]
        shares.recognise(uid)
    assert not enter(shares, 999)[0]


def test_the_numbers_of_a_users_namespaces_keep_nobody_out(enter: Enter) -> None:
    shares = Shares()
    known, _ = enter(shares, 1000)
    shares.recognise(1000)
    crowd = [enter(shares, 100_000 + number)[0] for number in range(agent_shares.CONNECTIONS - 1)]
    assert all(crowd)

    newcomer, _ = enter(shares, 1001)
    assert newcomer
    assert shares.begin(newcomer)
    # Whoever came first of those that nobody knows has gone, and no user.
    assert [slot for slot in (known, *crowd) if slot and slot.lost] == [crowd[0]]
    # Nor when they all come anew: what is being answered keeps its slot.
    assert [bool(enter(shares, 200_000 + number)[0]) for number in range(agent_shares.CONNECTIONS)].count(False) == 0
    assert known
    assert not known.lost
    assert not newcomer.lost


def test_no_user_may_ask_without_pause_for_ever(enter: Enter) -> None:
    clock = Hands()
    shares = Shares(clock)

    def asks(uid: int) -> bool:
        slot, _ = enter(shares, uid)
        if slot:
            shares.leave(slot)
        return bool(slot)

    assert sum(asks(1) for _ in range(210)) == agent_shares.BURST
    assert asks(2), "another user"
    clock.now += 1
    assert sum(asks(1) for _ in range(60)) == agent_shares.CONNECTIONS_PER_SECOND


def test_users_who_came_once_are_forgotten(enter: Enter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent_shares, "MOST_REMEMBERED", 3)
    clock = Hands()
    shares = Shares(clock)
    for uid in range(10):
        enter(shares, uid)
        clock.now += 1
    assert len(shares._left) <= 4


@contextmanager
def crowded(*program: str) -> Iterator[None]:
    command = [sys.executable, "-c", *program]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as attacker:
        try:
            assert attacker.stdout
            assert attacker.stdout.readline() == "crowded\n"
            yield
        finally:
            attacker.kill()


def named(uid: int) -> str | None:
    return str(uid) if uid < 100_000 else None


@needs_root
@pytest.mark.parametrize(
    "crowd",
    [(CROWD, "1"), (CROWD, "200"), (NUMBERS,)],
    ids=["connecting in a loop", "held open, silent", "of many numbers"],
)
def test_one_user_does_not_stop_the_others(monkeypatch: pytest.MonkeyPatch, crowd: tuple[str, ...]) -> None:
    monkeypatch.setattr(agent_server, "user_name", named)
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    folder.chmod(0o755)
    server = AgentServer(folder / "agent.sock", lambda peer, _question: {"ok": True, "uid": peer.uid})
    thread = Thread(target=server.serve)
    thread.start()
    program, *more = crowd
    try:
        with crowded(program, str(folder / "agent.sock"), *more):
            environment = {**os.environ, "PYTHONPATH": str(SCRIPTS)}
            others = [sys.executable, "-c", OTHERS, str(folder / "agent.sock")]
            done = subprocess.run(others, check=False, env=environment, capture_output=True, text=True, timeout=60)
    finally:
        server.close()
        thread.join()
        shutil.rmtree(folder)
    assert done.stdout == "12\n", done.stderr
