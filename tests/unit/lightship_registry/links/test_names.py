from __future__ import annotations

import re

import pytest

from lightship_registry.links import names


def test_words_are_many_clean_and_single() -> None:
    words = names.words()
    assert len(words) > 7000
    assert len(set(words)) == len(words)
    assert all(re.fullmatch("[a-z]{3,12}", word) for word in words)


def test_words_do_not_look_alike() -> None:
    def looks(word: str) -> str:
        for from_, to in (("rn", "m"), ("vv", "w"), ("cl", "d"), ("l", "i"), ("j", "i"), ("q", "g")):
            word = word.replace(from_, to)
        return word

    assert len({looks(word) for word in names.words()}) == len(names.words())


def test_new_names() -> None:
    drawn = {names.new_name(3) for _ in range(200)}
    assert len(drawn) == 200
    assert all(names.is_name(name) and len(set(name.split("-"))) == 3 for name in drawn)


@pytest.mark.parametrize("text", ["", "a-b-c", "one-two", "one-two-three-four", "One-two-six", "one-two-six\n", "../x"])
def test_what_is_no_name(text: str) -> None:
    assert not names.is_name(text)
