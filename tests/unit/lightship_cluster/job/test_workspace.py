from __future__ import annotations

import errno
import fcntl
import os
import socket
import stat
import tempfile
import time
from pathlib import Path

import pytest

from lightship_cluster.core.errors import LightshipError
from lightship_cluster.job import workspace as node_workspace
from lightship_cluster.job.workspace import workspace


@pytest.fixture(autouse=True)
def parent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(node_workspace, "_parent", lambda: tmp_path)
    return tmp_path


HOUR, DAY = 3600.0, 86400.0
HERE = socket.gethostname()


def abandoned(parent: Path, *, age: float = HOUR, lock: str | None = HERE) -> Path:
    folder = parent / f"lightship-{os.geteuid()}-left"
    folder.mkdir()
    if lock is not None:
        (folder / "lock").write_text(lock)
    then = time.time() - age
    os.utime(folder, (then, then))
    return folder


def test_it_is_private_and_gone_afterwards(parent: Path) -> None:
    with workspace() as folder:
        assert folder.parent == parent
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        (folder / "key.pem").touch()

    assert not list(parent.iterdir())


def test_it_is_gone_after_a_failure_too(parent: Path) -> None:
    with pytest.raises(KeyboardInterrupt), workspace():
        raise KeyboardInterrupt

    assert not list(parent.iterdir())


@pytest.mark.parametrize(
    ("age", "lock", "stays"),
    [
        (HOUR, HERE, False),
        # A folder that names no node may be a living job's of an older version on another node.
        (2 * DAY, "", True),
        (2 * DAY, None, True),
        (8 * DAY, "", False),
        (8 * DAY, None, False),
        # On a file system that nodes share the lock of another node's job may not be seen.
        (HOUR, "another-node", True),
        (80 * DAY, "another-node", True),
        (80 * DAY, HERE + "2", True),
    ],
)
def test_what_a_killed_job_left_on_this_node_is_removed(
    parent: Path, age: float, lock: str | None, *, stays: bool
) -> None:
    left = abandoned(parent, age=age, lock=lock)
    with workspace():
        assert left.exists() is stays


def test_its_lock_names_this_node() -> None:
    with workspace() as folder:
        assert (folder / "lock").read_text() == HERE


@pytest.mark.parametrize(("age", "lock"), [(HOUR, HERE), (8 * DAY, "")])
def test_a_living_jobs_folder_stays(parent: Path, age: float, lock: str) -> None:
    left = abandoned(parent, age=age, lock=lock)
    with (left / "lock").open("r+") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with workspace():
            assert left.exists()


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL])
def test_where_nothing_can_be_locked_nothing_is_removed(
    parent: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def flock(_file: object, _how: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", flock)
    abandoned(parent, age=80 * DAY).rename(parent / f"lightship-{os.geteuid()}-named")
    abandoned(parent, age=80 * DAY, lock=None)
    with workspace() as folder:
        assert len(list(parent.iterdir())) == 3
        # Named, it would be removed as soon as locks are known there again.
        assert (folder / "lock").read_bytes() == b""
    assert not folder.exists()


def test_a_lock_that_fails_otherwise_is_told_and_leaves_nothing(parent: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def flock(_file: object, _how: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(LightshipError, match="cannot be written"), workspace():
        pass
    assert not list(parent.iterdir())


def test_a_folder_just_made_stays(parent: Path) -> None:
    left = abandoned(parent, age=1)
    with workspace():
        assert left.exists()


def test_another_users_folder_stays(parent: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    uid = os.geteuid()
    left = abandoned(parent)
    monkeypatch.setattr(os, "geteuid", lambda: uid + 1)
    left.rename(parent / f"lightship-{uid + 1}-left")
    with workspace():
        assert (parent / f"lightship-{uid + 1}-left").exists()


@pytest.mark.parametrize(("chosen", "parent_of"), [("/scratch", "/scratch"), ("/scratch/" + "x" * 60, "/tmp")])
def test_paths_stay_short_enough_for_sockets(monkeypatch: pytest.MonkeyPatch, chosen: str, parent_of: str) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(tempfile, "gettempdir", lambda: chosen)

    assert str(node_workspace._parent()) == parent_of


def test_a_disk_that_cannot_be_written_is_told_in_words(parent: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_workspace, "_parent", lambda: parent / "absent")
    with pytest.raises(LightshipError) as refused, workspace():
        pass

    assert refused.value.sentence == (
        f"This node's own disk is full or cannot be written (No such file or directory in {parent}/absent). "
        "Start again; if it is the same node, tell your administrators."
    )


def test_what_fails_in_the_job_itself_is_not_blamed_on_the_disk() -> None:
    with pytest.raises(FileNotFoundError), workspace() as folder:
        (folder / "absent").read_text()
