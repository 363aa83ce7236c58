from __future__ import annotations

from pathlib import Path

import pytest

from lightship_cluster.core.errors import LightshipError
from lightship_cluster.environments.binds import Bind, check_sources, of_folders
from unit.lightship_cluster.fake_programs import NAME_TOO_LONG


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/data", Bind("/data", "/data")),
        ("/data:/mnt", Bind("/data", "/mnt")),
        ("/data:/mnt:ro", Bind("/data", "/mnt", read_only=True)),
        ("/data::ro", Bind("/data", "/data", read_only=True)),
        ("~/x:/x:rw", Bind("/home/me/x", "/x")),
    ],
)
def test_what_users_type(text: str, expected: Bind, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")

    assert Bind.parse(text) == expected
    assert Bind.parse(expected.text) == expected


def test_a_source_is_below_the_folder_where_it_is_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    assert Bind.parse("data").text == f"{tmp_path}/data:{tmp_path}/data"
    assert Bind.parse("~nobody-of-this-name:/x").source == f"{tmp_path}/~nobody-of-this-name"


@pytest.mark.parametrize("text", ["", ":/x", "/a:b", "/a:/b:no", "/a:/b:ro:x", "/a,/b"])
def test_what_no_runtime_would_understand_is_refused(text: str) -> None:
    with pytest.raises(LightshipError, match="--bind"):
        Bind.parse(text)


def test_a_folder_in_another_one_is_not_bound_twice() -> None:
    folders = map(Path, ("/home/me/work", "/tmp/private", "/home/me", "/home/me", "/homes"))

    assert [bind.text for bind in of_folders(*folders)] == [
        "/homes:/homes",
        "/home/me:/home/me",
        "/tmp/private:/tmp/private",
    ]


def test_a_folder_that_no_runtime_can_be_told_of_is_refused() -> None:
    with pytest.raises(LightshipError, match="A container cannot see /a,b"):
        of_folders(Path("/a,b"))


def test_a_source_that_only_the_nodes_may_have_gets_a_warning(tmp_path: Path) -> None:
    assert check_sources([Bind(str(tmp_path), "/x")]) == ""
    for missing in ("/no/such/folder", f"/{NAME_TOO_LONG}"):
        assert f"{missing} of --bind is not on this host" in check_sources([Bind(missing, "/x")])
