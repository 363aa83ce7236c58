from __future__ import annotations

import fcntl
import os
import stat
import tempfile
import time
from pathlib import Path

import pytest

from lightship_cluster import node_workspace
from lightship_cluster.errors import LightshipError
from lightship_cluster.node_workspace import workspace


@pytest.fixture(autouse=True)
def parent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(node_workspace, "_parent", lambda: tmp_path)
    return tmp_path


def abandoned(parent: Path, *, age: float = 3600, lock: bool = True) -> Path:
    folder = parent / f"lightship-{os.geteuid()}-left"
    folder.mkdir()
    if lock:
        (folder / "lock").touch()
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


@pytest.mark.parametrize("lock", [True, False])
def test_what_a_killed_job_left_is_removed(parent: Path, lock: bool) -> None:
    left = abandoned(parent, lock=lock)
    with workspace():
        assert not left.exists()


def test_a_living_jobs_folder_stays(parent: Path) -> None:
    left = abandoned(parent)
    with (left / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        then = time.time() - 3600
        os.utime(left, (then, then))
        with workspace():
            assert left.exists()


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
