"""What cuts open connections: strict about what, and nobody else's. One test ends connections of its own."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

from lightship_registry.links import connection_killer
from lightship_registry.links.connection_killer import AGAIN_SECONDS, MOST_CUTS, ConnectionKiller, target_in
from lightship_registry.links.cuts import ORDER_SECONDS, REST_SECONDS, Cuts


class Connection:
    """A listener on this machine, and both ends of one connection to it."""

    def __init__(self, stack: ExitStack, host: str = "127.0.0.1") -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = stack.enter_context(socket.create_server((host, 0), family=family))
        self.port = listener.getsockname()[1]
        self.target = f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"
        self.client = stack.enter_context(socket.create_connection((host, self.port), timeout=1))
        self._server = stack.enter_context(listener.accept()[0])

    @property
    def is_open(self) -> bool:
        try:
            self._server.sendall(b"x")
            return self.client.recv(1) == b"x"
        except ConnectionError:
            return False


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


class Desk:
    """A folder of orders, the routes beside it, and a record of what would be cut."""

    def __init__(self, folder: Path) -> None:
        self.orders, self.routes = folder / "cut", folder / "routes"
        self.orders.mkdir()
        self.routes.mkdir()
        self.now = folder.stat().st_mtime
        self.calls: list[list[str]] = []
        self.left = 0
        self.killer = ConnectionKiller(self.orders, self.routes, self._cut, lambda: self.now)

    def _cut(self, targets: Sequence[str]) -> int:
        self.calls.append(list(targets))
        return self.left

    def order(self, name: str, content: str) -> Path:
        path = self.orders / name
        path.write_text(content)
        os.utime(path, (self.now, self.now))
        return path


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("10.1.2.3:4567\n", "10.1.2.3:4567"),
        ("10.1.2.3:1024", "10.1.2.3:1024"),
        ("[2001:db8::7]:65535\n", "[2001:db8::7]:65535"),
    ],
)
def test_a_target_is_read_as_the_registry_writes_it(text: str, target: str) -> None:
    assert target_in(text) == target


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "10.1.2.3",
        "10.1.2.3:",
        "10.1.2.3:22",
        "10.1.2.3:65536",
        "10.1.2.3:04567",
        "10.1.2.3:4567\n\n",
        "10.1.2.3:4567 or dst 0.0.0.0/0",
        "10.1.2.0/24:4567",
        "10.1.2:4567",
        "0.0.0.0:4567",
        "[::]:4567",
        "[10.1.2.3]:4567",
        "2001:db8::7:4567",
        "[fe80::1%eth0]:4567",
        "*:4567",
        "-K:4567",
        "localhost:4567",
        "https://10.1.2.3:4567",
        "\uff11\uff10.1.2.3:4567",
        "10.1.2.3:4567" + " " * 80,
    ],
)
def test_what_is_no_target_is_refused(text: str) -> None:
    assert target_in(text) is None


def test_connections_to_the_target_end_and_no_other(stack: ExitStack) -> None:
    ended, ended6, other = Connection(stack), Connection(stack, "::1"), Connection(stack)
    if os.geteuid() != 0:
        assert connection_killer.cut([ended.target]) == 1, "the kernel let somebody who is not root end a connection"
        assert ended.is_open
        return
    # Nobody is at the others: a busy moment's orders go in one command.
    nobody = [f"192.0.2.{number}:{4000 + number}" for number in range(1, 49)]
    assert connection_killer.cut([ended.target, *nobody, ended6.target]) == 0
    assert not ended.is_open
    assert not ended6.is_open
    assert other.is_open


def test_connections_that_stay_are_counted(stack: ExitStack, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    connection = Connection(stack)
    # A kernel without INET_DIAG_DESTROY: ss -K says nothing, does nothing, and ends with 0.
    (tmp_path / "ss").write_text(
        '#!/bin/sh\n[ "$1" = -K ] || exec /usr/bin/env -i PATH=/usr/bin:/bin:/usr/sbin:/sbin ss "$@"\n'
    )
    (tmp_path / "ss").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert connection_killer.cut([connection.target]) == 1
    assert connection.is_open


def test_nothing_to_cut_asks_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    assert connection_killer.cut([]) == 0


def test_an_order_is_carried_out_at_once_and_once_more_then_it_is_gone(desk: Desk) -> None:
    order = desk.order("one-two-three", "10.1.2.3:4567\n")
    assert desk.killer.step()
    assert desk.calls == [["10.1.2.3:4567"]]
    assert order.exists(), "a connection killer that dies now would leave the second cut undone"
    assert desk.killer.step()
    assert len(desk.calls) == 1
    desk.now += AGAIN_SECONDS
    desk.killer.step()
    assert len(desk.calls) == 2
    assert not order.exists()
    assert not desk.killer.step()


def test_connections_that_come_back_are_cut_again_and_then_told(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    desk.order("one-two-three", "10.1.2.3:4567\n")
    desk.left = 3
    for _ in range(MOST_CUTS + 2):
        desk.killer.step()
        desk.now += AGAIN_SECONDS
    assert len(desk.calls) == MOST_CUTS
    assert "3 connections to targets of ended links stay open" in caplog.text
    assert "CONFIG_INET_DIAG_DESTROY" in caplog.text
    assert list(desk.orders.iterdir()) == []


def test_a_live_links_target_is_spared(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    desk.order("one-two-three", "10.1.2.3:4567\n")
    (desk.routes / "four-five-six").write_text("https://10.1.2.3:4567\n")
    desk.killer.step()
    assert desk.calls == []
    assert "spared" in caplog.text
    assert not desk.killer.step()


def test_a_live_link_that_appears_between_the_cuts_is_spared(desk: Desk) -> None:
    desk.order("one-two-three", "10.1.2.3:4567\n")
    desk.killer.step()
    (desk.routes / "four-five-six").write_text("https://10.1.2.3:4567\n")
    desk.now += AGAIN_SECONDS
    desk.killer.step()
    assert desk.calls == [["10.1.2.3:4567"]]


def test_an_old_order_is_dropped_for_its_target_may_be_anothers_by_then(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    desk.order("one-two-three", "10.1.2.3:4567\n")
    desk.now += ORDER_SECONDS + 1
    desk.killer.step()
    assert desk.calls == []
    assert "21 seconds old" in caplog.text
    assert list(desk.orders.iterdir()) == []


def test_no_order_outlives_the_rest_of_its_target() -> None:
    assert ORDER_SECONDS + MOST_CUTS * AGAIN_SECONDS < REST_SECONDS


@pytest.mark.parametrize("content", ["nonsense", "10.1.2.3:22\n", "10.1.2.3:4567 or dst 10.0.0.0/8\n", "\udcff"])
def test_nonsense_in_the_folder_is_removed_and_told(desk: Desk, content: str, caplog: pytest.LogCaptureFixture) -> None:
    (desk.orders / "x").write_bytes(content.encode("utf-8", "surrogateescape"))
    desk.killer.step()
    assert desk.calls == []
    assert "does not hold a target" in caplog.text
    assert list(desk.orders.iterdir()) == []


def test_a_pipe_and_a_link_to_a_file_are_not_opened(desk: Desk, tmp_path: Path) -> None:
    os.mkfifo(desk.orders / "pipe")
    (tmp_path / "elsewhere").write_text("10.1.2.3:4567\n")
    (desk.orders / "link").symlink_to(tmp_path / "elsewhere")
    desk.killer.step()
    assert desk.calls == []
    assert list(desk.orders.iterdir()) == []


def test_a_file_that_is_being_written_is_left_alone_and_removed_when_its_writer_died(desk: Desk) -> None:
    beside = desk.order(".tmp-0011", "10.1.")
    desk.killer.step()
    assert beside.exists()
    desk.now += ORDER_SECONDS + 1
    desk.killer.step()
    assert not beside.exists()


def test_a_busy_moment_takes_few_commands(desk: Desk) -> None:
    for number in range(120):
        desk.order(f"link-{number}", f"10.1.2.3:{4000 + number}\n")
    desk.killer.step()
    assert [len(call) for call in desk.calls] == [50, 50, 20]


def test_it_lingers_until_there_is_nothing_for_a_while(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in (("AGAIN_SECONDS", 0.05), ("QUIET_SECONDS", 0.1), ("POLL_SECONDS", 0.01)):
        monkeypatch.setattr(connection_killer, name, seconds)
    orders, routes = tmp_path / "cut", tmp_path / "routes"
    orders.mkdir()
    routes.mkdir()
    calls: list[Sequence[str]] = []

    def cut(targets: Sequence[str]) -> int:
        if not calls:
            Cuts(orders).order("four-five-six", "10.1.2.3:5000")
        calls.append(targets)
        return 0

    Cuts(orders).order("one-two-three", "10.1.2.3:4567")
    assert ConnectionKiller(orders, routes, cut).run()
    assert [call for call in calls if "10.1.2.3:5000" in call]
    assert list(orders.iterdir()) == []
