from __future__ import annotations

from pathlib import Path

import pytest

from lightship_cluster.core.errors import ExitStatus, LightshipError
from lightship_cluster.core.link_folder import LinkFolder
from lightship_cluster.login.links import find_link, my_links


def made(root: Path, name: str, created: int, *, alive: bool = True, **metadata: object) -> LinkFolder:
    folder = LinkFolder.create(
        root, name, {"created": created, "url": f"https://{name}.example.org", **metadata}, "s", "t"
    )
    if not alive:
        folder.forget_secrets()
    return folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    made(tmp_path, "amber-two-three", 1)
    made(tmp_path, "amber-zoo-three", 2, alive=False)
    made(tmp_path, "briar-two-three", 3)
    made(tmp_path, "cedar-two-three", 4, alive=False)
    return tmp_path


def test_a_link_is_known_by_its_title_too(root: Path) -> None:
    made(root, "delta-two-three", 5, title="Straße nach Ürümqi")

    assert find_link(my_links(root), "strasse n").name == "delta-two-three"


def test_the_last_of_those_that_ended_under_one_title_is_meant(root: Path) -> None:
    made(root, "ember-two-three", 5, alive=False, title="Thesis")
    made(root, "fancy-two-three", 6, alive=False, title="Thesis")

    assert find_link(my_links(root), "thesis", alive=False).name == "fancy-two-three"
    with pytest.raises(LightshipError, match="the beginning of several"):
        find_link(my_links(root), "thes", alive=False)


def test_the_newest_comes_first_and_what_is_no_link_is_left_out(root: Path) -> None:
    (root / "something-else").mkdir()
    (root / "half-made-link").mkdir()
    (root / "bad-metadata-link").mkdir(mode=0o700)
    (root / "bad-metadata-link" / "link.json").write_text("[]")

    assert [link.name[:5] for link in my_links(root)] == ["cedar", "briar", "amber", "amber"]
    assert my_links(root / "absent") == []


@pytest.mark.parametrize(
    ("beginning", "alive", "name"),
    [
        ("", True, "briar-two-three"),
        ("", False, "briar-two-three"),
        ("b", True, "briar-two-three"),
        ("BRIAR-TWO-three", True, "briar-two-three"),
        ("amber", True, "amber-two-three"),
        ("amber", False, "amber-two-three"),
        ("amber-z", False, "amber-zoo-three"),
        ("cedar", False, "cedar-two-three"),
    ],
)
def test_a_link_is_found_by_its_beginning(root: Path, beginning: str, alive: bool, name: str) -> None:
    assert find_link(my_links(root), beginning, alive=alive).name == name


@pytest.mark.parametrize(
    ("beginning", "words"),
    [
        ("x", "no link whose name or title begins with 'x'. Alive: briar-two-three, amber-two-three."),
        ("cedar", "cedar-two-three has ended. start-jupyter again cedar-two-three makes a new link."),
    ],
)
def test_what_is_not_there_is_told_so(root: Path, beginning: str, words: str) -> None:
    with pytest.raises(LightshipError) as refused:
        find_link(my_links(root), beginning)

    assert words in refused.value.sentence
    assert refused.value.status is ExitStatus.NO_LINK


def test_a_beginning_of_several_is_not_guessed_at(root: Path) -> None:
    made(root, "brine-two-three", 9)

    with pytest.raises(LightshipError, match="'br' is the beginning of several: brine-two-three, briar-two-three"):
        find_link(my_links(root), "br")


def test_without_any_link_it_is_said_how_to_get_one() -> None:
    for alive in (True, False):
        with pytest.raises(LightshipError, match=r"You have no link that is alive\. start-jupyter makes one"):
            find_link([], "", alive=alive)


def test_only_logs_are_there_when_all_have_ended(tmp_path: Path) -> None:
    made(tmp_path, "amber-two-three", 1, alive=False)

    assert find_link(my_links(tmp_path), "", alive=False).name == "amber-two-three"
