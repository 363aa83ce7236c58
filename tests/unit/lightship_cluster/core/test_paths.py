from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest

from lightship_cluster.core import paths
from lightship_cluster.core.errors import LightshipError
from lightship_cluster.core.link_folder import default_root
from lightship_cluster.environments.conda_file import default_cache
from unit.lightship_cluster.fake_programs import NAME_TOO_LONG


def test_a_path_may_be_typed_from_any_folder_and_from_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/me")

    assert paths.absolute("x") == tmp_path / "x"
    assert paths.absolute("~/x") == Path("/home/me/x")
    assert paths.absolute("~nobody-of-this-name/x") == tmp_path / "~nobody-of-this-name" / "x"


@pytest.mark.parametrize("home", ["", "some/where", None])
def test_a_home_that_is_no_whole_path_is_not_believed(home: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOME")
    if home is not None:
        monkeypatch.setenv("HOME", home)

    assert paths.home() == Path(pwd.getpwuid(os.getuid()).pw_dir)
    assert paths.absolute("~/x") == paths.home() / "x"
    assert default_root() == paths.home() / ".local" / "state" / "lightship"
    assert default_cache({"XDG_CACHE_HOME": "relative"}) == paths.home() / ".cache" / "lightship" / "conda"


def test_a_user_without_a_home_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "relative")
    monkeypatch.setattr(pwd, "getpwuid", {}.__getitem__)
    with pytest.raises(LightshipError, match="Set HOME"):
        default_root()


def test_a_relative_path_in_a_folder_that_was_deleted_is_refused_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    assert paths.is_here()
    gone.rmdir()

    assert not paths.is_here()
    assert paths.absolute("/x") == Path("/x")
    with pytest.raises(LightshipError, match="folder that you are in was deleted, and 'x' is below it"):
        paths.absolute("x")
    monkeypatch.chdir(tmp_path)


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
