from __future__ import annotations

import pytest

from lightship_cluster.durations import minutes_of, words_of


@pytest.mark.parametrize(
    ("text", "minutes"),
    [("1", 1), ("60", 60), ("1:00:00", 60), ("00:30:00", 30), ("00:00:01", 1), ("00:59:01", 60), ("1-00:00:00", 1440)],
)
def test_times_are_read_and_seconds_round_up(text: str, minutes: int) -> None:
    assert minutes_of(text) == minutes


@pytest.mark.parametrize("text", ["", "0", "00:00:00", "-5", "1:30", "60m", "1:60:00", "1:00:60", "٣", "9" * 30])
def test_anything_else_is_refused_and_named(text: str) -> None:
    with pytest.raises(ValueError, match="Give"):
        minutes_of(text)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-5, "0 s"),
        (59.9, "59 s"),
        (60, "1 min"),
        (3599, "59 min"),
        (3900, "1 h 05 min"),
        (86400, "24 h 00 min"),
        (180000, "2 days 2 h"),
    ],
)
def test_durations_in_words(seconds: float, words: str) -> None:
    assert words_of(seconds) == words
