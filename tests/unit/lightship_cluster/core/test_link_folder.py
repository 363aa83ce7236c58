from __future__ import annotations

import errno
import os
import stat
import time
from pathlib import Path

import pytest

from lightship_cluster.core import link_folder
from lightship_cluster.core.errors import ExitStatus, LightshipError
from lightship_cluster.core.link_folder import LinkFolder

SECRET, TOKEN = "5e" * 32, "70" * 16


@pytest.fixture
def folder(tmp_path: Path) -> LinkFolder:
    before = os.umask(0)  # the worst that a user may have
    try:
        return LinkFolder.create(tmp_path / "root", "one-two-three", {"name": "one-two-three"}, SECRET, TOKEN)
    finally:
        os.umask(before)


def test_everything_is_the_users_alone(folder: LinkFolder, tmp_path: Path) -> None:
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "root", folder.path)}
    files = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.path.iterdir()}

    assert modes == {"root": 0o700, "one-two-three": 0o700}
    assert files == dict.fromkeys(("secret", "token", "link.json", "job.log"), 0o600)


def test_the_job_reads_what_was_written(folder: LinkFolder) -> None:
    folder.require_private()
    folder.note(job_id="17")

    assert folder.read("secret") == SECRET
    assert folder.read("token") == TOKEN  # to the letter: no newline
    assert folder.metadata() == {"name": "one-two-three", "job_id": "17"}


def test_secrets_are_forgotten_and_the_log_stays(folder: LinkFolder) -> None:
    folder.forget_secrets()
    folder.forget_secrets()

    assert sorted(path.name for path in folder.path.iterdir()) == ["job.log", "link.json"]


def test_nothing_is_left_after_removal(folder: LinkFolder, tmp_path: Path) -> None:
    folder.remove()
    assert not (tmp_path / "root").exists()


def test_other_links_are_left_alone(folder: LinkFolder, tmp_path: Path) -> None:
    other = LinkFolder.create(tmp_path / "root", "other-two-three", {}, SECRET, TOKEN)
    other.remove()
    assert folder.path.is_dir()


@pytest.mark.parametrize("mode", [0o750, 0o707, 0o701])
def test_an_open_folder_is_refused(folder: LinkFolder, mode: int) -> None:
    folder.path.chmod(mode)
    with pytest.raises(LightshipError, match="open to other users") as refused:
        folder.require_private()

    assert refused.value.status is ExitStatus.LINK_FOLDER


def test_another_users_folder_is_refused(folder: LinkFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    own = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: own + 1)
    with pytest.raises(LightshipError, match="belongs to another user"):
        folder.require_private()
    with pytest.raises(LightshipError, match="belongs to another user"):
        folder.read("secret")


def test_symbolic_links_are_not_followed(folder: LinkFolder, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(folder.path)
    with pytest.raises(LightshipError, match="not a folder"):
        LinkFolder(tmp_path / "link").require_private()

    (folder.path / "secret").rename(tmp_path / "elsewhere")
    (folder.path / "secret").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(LightshipError, match="Cannot read"):
        folder.read("secret")


def test_an_open_file_or_a_pipe_is_refused(folder: LinkFolder) -> None:
    (folder.path / "secret").chmod(0o644)
    with pytest.raises(LightshipError, match="open to other users"):
        folder.read("secret")
    (folder.path / "token").unlink()
    os.mkfifo(folder.path / "token", 0o600)
    with pytest.raises(LightshipError, match="not a plain file"):
        folder.read("token")


@pytest.mark.parametrize("content", ["{", "[1]"])
def test_damaged_facts_are_named(folder: LinkFolder, content: str) -> None:
    (folder.path / "link.json").write_text(content)
    with pytest.raises(LightshipError, match=r"link\.json"):
        folder.metadata()


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(LightshipError, match="absent"):
        LinkFolder(tmp_path / "absent").require_private()


def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(LightshipError, match=r"No space left on device\. Make room: `du"):
        LinkFolder.create(tmp_path / "root", "one-two-three", {}, SECRET, TOKEN)

    assert not (tmp_path / "root").exists()


def test_an_unwritable_home_is_seen_before_anything_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    link_folder.check_root(tmp_path / "a" / "b")
    assert not (tmp_path / "a").exists()

    monkeypatch.setattr(os, "access", lambda *_: False)  # the tests may run as root, whom no mode stops
    with pytest.raises(LightshipError, match="Cannot write in"):
        link_folder.check_root(tmp_path / "a")


def test_folders_of_long_ago_are_removed(folder: LinkFolder, tmp_path: Path) -> None:
    names = ("old-two-three", "alive-two-three", "talks-two-three")
    old, alive, talks = (LinkFolder.create(tmp_path / "root", name, {}, SECRET, TOKEN) for name in names)
    for ended in (old, talks):
        ended.forget_secrets()
    for made in (old, alive, talks):
        for path in (*made.path.iterdir(), made.path):
            long_ago = time.time() - link_folder.OLD_SECONDS - 60
            os.utime(path, (long_ago, long_ago))
    os.utime(talks.log)
    link_folder.remove_old(tmp_path / "root")
    link_folder.remove_old(tmp_path / "absent")

    assert not old.path.exists()
    # A job may wait or run for longer than that, and its log is written without a trace on the folder itself.
    assert [kept.path.exists() for kept in (folder, alive, talks)] == [True, True, True]


def test_another_start_that_removes_the_same_folder_disturbs_nobody(
    folder: LinkFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(_path: Path) -> bool:
        raise FileNotFoundError

    monkeypatch.setattr(link_folder, "_is_old", gone)
    link_folder.remove_old(folder.path.parent)

    assert folder.path.exists()


def test_secrets_are_forgotten_as_far_as_the_home_can_be_written(
    folder: LinkFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_only(_path: Path) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(Path, "unlink", read_only)
    folder.forget_secrets()


def test_the_place_is_the_users_state_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/alice")
    assert link_folder.default_root() == Path("/home/alice/.local/state/lightship")
