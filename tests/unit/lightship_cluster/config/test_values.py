from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from lightship_cluster.config import values


@pytest.mark.parametrize(
    ("reader", "text", "value"),
    [
        (values.memory_of, "16G", 16384),
        (values.memory_of, "16gb", 16384),
        (values.memory_of, "16GiB", 16384),
        (values.memory_of, "500", 500),
        (values.memory_of, "1T", 1048576),
        (values.memory_of, "1.5G", 1536),
        (values.memory_of, "16 GB", 16384),
        (values.memory_of, "102400K", 100),
        (values.memory_of, "102401K", 101),
        (values.count_of, "8", 8),
        (values.gpus_of, "2", "2"),
        (values.gpus_of, "a100:2", "a100:2"),
        (values.word_of, "ddp363", "ddp363"),
        (values.word_of, "", ""),
        (values.title_of, " my  thesis ", "my thesis"),
        (values.title_of, "", ""),
        (values.switch_of, "Yes", True),
        (values.switch_of, "off", False),
        (values.split_words, "--mail-type END --comment 'a b'", ("--mail-type", "END", "--comment", "a b")),
    ],
)
def test_values_are_read_as_people_write_them(reader: Callable[[str], Any], text: str, value: object) -> None:
    assert reader(text) == value


@pytest.mark.parametrize(
    ("reader", "text"),
    [
        (values.memory_of, "0G"),
        (values.memory_of, "1.5.5G"),
        (values.memory_of, "1e6G"),
        (values.memory_of, "900000000G"),
        (values.memory_of, "16"),
        (values.memory_of, "99M"),
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
        (values.path_of, "a\0b"),
        (values.title_of, "two\nlines"),
        (values.switch_of, "perhaps"),
        (values.split_words, "'open"),
    ],
)
def test_what_cannot_be_read_is_shown_again(reader: Callable[[str], Any], text: str) -> None:
    with pytest.raises(ValueError, match=r".") as refused:
        reader(text)

    assert repr(text) in str(refused.value)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("16", "'16' is 16 MiB of memory, which is too little for Jupyter. Write 16G if you mean GB, or 100M or more."),
        ("32M", "Write 32G if you mean GB, or 100M or more."),
        ("99", "Write 99G"),
        ("64K", "is 1 MiB of memory, which is too little for Jupyter. Give 100M or more."),
    ],
)
def test_so_little_memory_that_another_unit_is_meant_is_asked_about(text: str, hint: str) -> None:
    with pytest.raises(ValueError, match=r".") as refused:
        values.memory_of(text)
    assert hint in str(refused.value)


@pytest.mark.parametrize(
    ("mebibytes", "words"),
    [
        (100, "100 MiB"),
        (1023, "1023 MiB"),
        (1024, "1 GiB"),
        (1536, "1.5 GiB"),
        (256000, "250 GiB"),
        (1031515, "1007.3 GiB"),
        (1047552000, "999 TiB"),
        (10**9, "953.6 TiB"),
        (2**40, "1024 PiB"),
    ],
)
def test_amounts_of_memory_have_a_unit_that_fits_and_no_exponent(mebibytes: int, words: str) -> None:
    assert values.humanized_size(mebibytes) == words


@pytest.mark.parametrize(
    ("reader", "length"),
    [(values.title_of, 300), (values.word_of, 5000), (values.count_of, 5000), (values.memory_of, 300)],
)
def test_what_is_too_long_is_not_shown_again_whole(reader: Callable[[str], Any], length: int) -> None:
    with pytest.raises(ValueError, match=r".") as refused:
        reader("x" * length)
    assert len(str(refused.value)) < 200
