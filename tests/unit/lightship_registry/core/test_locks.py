from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lightship_registry.core.errors import RegistryError
from lightship_registry.core.locks import SharedLock, hold_folder

HOLDER = """
import fcntl, sys
file = open(sys.argv[1], "w")
fcntl.flock(file, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


def test_threads_take_turns(tmp_path: Path) -> None:
    lock, inside, most = SharedLock(tmp_path / "lock"), [0], [0]

    def work(_number: int) -> None:
        with lock.hold():
            inside[0] += 1
            most[0] = max(most[0], inside[0])
            inside[0] -= 1

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(200)))
    assert most == [1]


def test_another_process_is_waited_for_but_not_for_ever(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(RegistryError, match="Another process holds"), SharedLock(path, 0.2).hold():
            pass
        # The kernel frees the lock of whoever dies.
        holder.kill()
        with SharedLock(path, 5).hold():
            pass


def test_an_error_inside_frees_it(tmp_path: Path) -> None:
    lock = SharedLock(tmp_path / "lock")
    with pytest.raises(ZeroDivisionError), lock.hold():
        raise ZeroDivisionError
    with lock.hold():
        assert (tmp_path / "lock").stat().st_mode & 0o777 == 0o600


def test_a_folder_is_held_by_one_and_free_afterwards(tmp_path: Path) -> None:
    with (
        hold_folder(tmp_path),
        pytest.raises(RegistryError, match="Run this again when it has ended"),
        hold_folder(tmp_path),
    ):
        pass
    with hold_folder(tmp_path):
        assert list(tmp_path.iterdir()) == []


def test_what_goes_wrong_inside_is_told_as_it_is(tmp_path: Path) -> None:
    with pytest.raises(BlockingIOError), hold_folder(tmp_path):
        raise BlockingIOError
