from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from lightship_cluster import values


@pytest.mark.parametrize(
    ("reader", "text", "value"),
    [
        (values.memory_of, "16G", 16384),
        (values.memory_of, "16gb", 16384),
        (values.memory_of, "16GiB", 16384),
        (values.memory_of, "500", 500),
        (values.memory_of, "1T", 1048576),
        (values.memory_of, "1500K", 2),
        (values.count_of, "8", 8),
        (values.gpus_of, "2", "2"),
        (values.gpus_of, "a100:2", "a100:2"),
        (values.word_of, "ddp363", "ddp363"),
        (values.word_of, "", ""),
        (values.title_of, " my  thesis ", "my thesis"),
        (values.title_of, "", ""),
        (values.switch_of, "Yes", True),
        (values.switch_of, "off", False),
        (values.words_of, "--mail-type END --comment 'a b'", ("--mail-type", "END", "--comment", "a b")),
    ],
)
def test_values_are_read_as_people_write_them(reader: Callable[[str], Any], text: str, value: object) -> None:
    assert reader(text) == value


@pytest.mark.parametrize(
    ("reader", "text"),
    [
        (values.memory_of, "0G"),
        (values.memory_of, "1.5G"),
        (values.memory_of, "G"),
        (values.memory_of, "-1"),
        (values.count_of, "0"),
        (values.count_of, "1e3"),
        (values.count_of, "999999"),
        (values.gpus_of, "0"),
        (values.gpus_of, "a100"),
        (values.gpus_of, "a100:"),
        (values.gpus_of, "2,mem:9"),
        (values.word_of, "two words"),
        (values.word_of, "x" * 201),
        (values.path_of, "a\0b"),
        (values.title_of, "two\nlines"),
        (values.title_of, "x" * 101),
        (values.switch_of, "perhaps"),
        (values.words_of, "'open"),
    ],
)
def test_what_cannot_be_read_is_shown_again(reader: Callable[[str], Any], text: str) -> None:
    with pytest.raises(ValueError, match=r".") as refused:
        reader(text)

    assert repr(text) in str(refused.value)
