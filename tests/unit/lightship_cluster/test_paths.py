from __future__ import annotations

from pathlib import Path

import pytest

from lightship_cluster import paths
from unit.lightship_cluster.world import NAME_TOO_LONG


def test_a_path_may_be_typed_from_any_folder_and_from_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/me")

    assert paths.absolute("x") == tmp_path / "x"
    assert paths.absolute("~/x") == Path("/home/me/x")
    assert paths.absolute("~nobody-of-this-name/x") == tmp_path / "~nobody-of-this-name" / "x"


def test_every_question_has_an_answer(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    assert paths.is_folder(tmp_path)
    assert paths.is_file(tmp_path / "file")
    assert paths.is_there(tmp_path / "file")
    assert paths.matches(tmp_path, "f*") == [tmp_path / "file"]
    for hidden in (tmp_path / NAME_TOO_LONG, Path("with\0nothing"), tmp_path / "file" / "below"):
        assert not paths.is_folder(hidden)
        assert not paths.is_file(hidden)
        assert not paths.is_there(hidden)
        assert paths.matches(hidden, "*") == []
