from __future__ import annotations

import pytest

from lightship_cluster.core.durations import doubt_of, humanized, minutes_of


@pytest.mark.parametrize(
    ("text", "minutes"),
    [
        *(("1", 1), ("60", 60), ("1:00:00", 60), ("00:30:00", 30), ("00:00:01", 1), ("00:59:01", 60)),
        # With letters, as people write them.
        *(("2h", 120), ("90m", 90), ("1h30m", 90), ("1h30", 90), ("1H 30 min", 90), ("2 hours", 120), ("1.5h", 90)),
        *(("2d", 2880), ("1d12h", 2160), ("30s", 1), ("61s", 2), ("0.1h", 6), ("1h2", 62)),
        # Hours and minutes, not minutes and seconds.
        *(("1:00", 60), ("1:30", 90), ("0:30", 30), ("01:00", 60), ("9:59", 599)),
        # As Slurm has them.
        *(("1-00:00:00", 1440), ("2-00:00:00", 2880), ("1-12", 2160), ("1-12:30", 2190)),
    ],
)
def test_times_are_read_and_seconds_round_up(text: str, minutes: int) -> None:
    assert minutes_of(text) == minutes


@pytest.mark.parametrize(
    "text",
    ["", "0", "0h", "00:00:00", "-5", "1:60", "1:0", "60x", "h", "30m1h", "1h100", "1:60:00", "1:00:60", "٣", "9" * 30],
)
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
        (3 * 86400, "3 days"),
    ],
)
def test_durations_in_words(seconds: float, words: str) -> None:
    assert humanized(seconds) == words


@pytest.mark.parametrize(
    ("text", "ways"),
    [
        ("10:00", "Write 10m or 10h"),
        ("30:00", "Write 30m or 30h"),
        ("90:30", "Write 90m30s or 90h30m"),
        ("1.5", "Write 1.5h"),
        ("2,5", "Write 2.5h"),
    ],
)
def test_what_may_mean_two_things_is_asked_and_not_guessed(text: str, ways: str) -> None:
    with pytest.raises(ValueError, match=ways):
        minutes_of(text)


@pytest.mark.parametrize(("text", "told"), [("1:00", "1 h 00 min"), ("9:30", "9 h 30 min"), ("0:30", ""), ("2h", "")])
def test_what_a_scheduler_reads_otherwise_is_told(text: str, told: str) -> None:
    assert told in doubt_of(text)
    assert bool(doubt_of(text)) is bool(told)
