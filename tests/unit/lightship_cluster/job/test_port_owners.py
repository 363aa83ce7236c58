from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from lightship_cluster.job import port_owners
from lightship_cluster.job.port_owners import answerers, in_tables
from lightship_cluster.job.probe import is_taken

ANY, ANY6 = "00000000", "0" * 32
HERE, HERE6, HERE_MAPPED = "0100007F", "00000000000000000000000001000000", "0000000000000000FFFF00000100007F"
ELSEWHERE = "0302010A"
LISTENS, CONNECTED = "0A", "01"


def row(address: str, state: str, owner: int, peer: int = 0, port: int = 8888, inode: int = 7) -> str:
    queues = "00000000:00000000 00:00000000 00000000"
    return f"   0: {address}:{port:04X} {HERE}:{peer:04X} {state} {queues}  {owner} 0 {inode} 1 0\n"


def table(folder: Path, *rows: str) -> list[Path]:
    (folder / "tcp").write_text("  sl  local_address ...\n" + "".join(rows))
    return [folder / "tcp", folder / "absent"]


@pytest.mark.parametrize("kernel", ["tells", "tells-nobody"])
@pytest.mark.parametrize("loopback", ["127.0.0.1", "::1"])
def test_who_listens_on_a_port_is_known(loopback: str, kernel: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if kernel == "tells-nobody":
        monkeypatch.setattr(port_owners, "find", lambda *_: None)
    family = socket.AF_INET6 if ":" in loopback else socket.AF_INET
    listener = socket.create_server((loopback, 0), family=family)
    port = listener.getsockname()[1]
    with listener, socket.create_connection((loopback, port)) as ours:
        assert answerers(loopback, port) == {os.geteuid()}
        assert answerers(loopback, port, ours.getsockname()[1]) == {os.geteuid()}, "nobody has taken it yet"
        with listener.accept()[0]:
            listener.close()
            assert answerers(loopback, port) == set()
            assert answerers(loopback, port, ours.getsockname()[1]) == {os.geteuid()}
    assert is_taken(loopback, port) is False


@pytest.mark.parametrize("loopback", ["127.0.0.1", "::1"])
def test_a_connection_is_told_from_others_by_its_own_end(loopback: str) -> None:
    family = socket.AF_INET6 if ":" in loopback else socket.AF_INET
    listener = socket.create_server((loopback, 0), family=family)
    port = listener.getsockname()[1]
    with listener, socket.create_connection((loopback, port)) as ours:
        waiting = port_owners.find(loopback, port, ours.getsockname()[1])
        with listener.accept()[0]:
            taken = port_owners.find(loopback, port, ours.getsockname()[1])
        listening = port_owners.find(loopback, port, 1)

    assert waiting
    assert waiting.waits
    assert taken
    assert (taken.listening, taken.owner, taken.waits) == (False, os.geteuid(), False)
    assert listening
    assert listening.listening


@pytest.mark.parametrize(
    ("address", "loopback", "reached"),
    [
        (HERE, "127.0.0.1", True),
        (ANY, "127.0.0.1", True),
        (ANY6, "127.0.0.1", True),
        (HERE_MAPPED, "127.0.0.1", True),
        (HERE6, "127.0.0.1", False),
        (ELSEWHERE, "127.0.0.1", False),
        (HERE6, "::1", True),
        (ANY6, "::1", True),
        (HERE, "::1", False),
    ],
)
def test_only_those_count_who_are_reached(tmp_path: Path, address: str, loopback: str, *, reached: bool) -> None:
    found = in_tables(loopback, 8888, 0, table(tmp_path, row(address, LISTENS, 4711), row(HERE, LISTENS, 1, port=8889)))

    assert found == ({4711} if reached else set())


def test_whoever_took_a_connection_counts_though_they_listen_no_longer(tmp_path: Path) -> None:
    rows = (row(HERE, LISTENS, 1000), row(HERE, CONNECTED, 4711, peer=50000), row(HERE, CONNECTED, 4712, peer=50001))

    assert in_tables("127.0.0.1", 8888, 50000, table(tmp_path, *rows)) == {1000, 4711}


@pytest.mark.parametrize("kernel", ["tells", "tells-nobody"])
def test_a_connection_that_was_closed_again_is_not_the_next_listeners(
    kernel: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if kernel == "tells-nobody":
        monkeypatch.setattr(port_owners, "find", lambda *_: None)
    first = socket.create_server(("127.0.0.1", 0))
    port = first.getsockname()[1]
    with socket.create_connection(("127.0.0.1", port)) as ours:
        taken, _ = first.accept()
        first.close()
        taken.close()
        with socket.create_server(("127.0.0.1", port)):
            assert port_owners.NOBODY in answerers("127.0.0.1", port, ours.getsockname()[1])


def test_a_connection_that_nobody_has_taken_yet_is_the_listeners(tmp_path: Path) -> None:
    rows = (row(HERE, LISTENS, 1000), row(HERE, CONNECTED, 0, peer=50000, inode=0))

    assert in_tables("127.0.0.1", 8888, 50000, table(tmp_path, *rows)) == {1000}
