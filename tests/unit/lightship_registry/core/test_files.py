from __future__ import annotations

import os
from pathlib import Path

import pytest

from lightship_registry.core.files import write_beside


def test_replaces_in_one_step_with_the_mode(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    path.chmod(0o666)
    write_beside(path, b"new", 0o640)
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o640
    assert list(tmp_path.iterdir()) == [path]


def test_does_not_follow_a_link(tmp_path: Path) -> None:
    other, path = tmp_path / "other", tmp_path / "file"
    other.write_text("precious")
    path.symlink_to(other)
    write_beside(path, b"new", 0o600)
    assert other.read_text() == "precious"
    assert not path.is_symlink()


def test_leaves_nothing_behind_on_failure(tmp_path: Path) -> None:
    folder = tmp_path / "in-the-way"
    folder.mkdir()
    with pytest.raises(OSError, match="in-the-way"):
        write_beside(folder, b"new", 0o600)
    assert list(tmp_path.iterdir()) == [folder]


def test_no_owner_is_changed_where_none_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The unit's filter of system calls answers fchown with an error, whatever it would change.
    monkeypatch.delattr(os, "fchown")
    write_beside(tmp_path / "x", b"x", 0o640)
    assert (tmp_path / "x").read_bytes() == b"x"
