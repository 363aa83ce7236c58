from __future__ import annotations

import os

import pytest

from lightship_cluster.core.texts import shortened
from lightship_cluster.login.tables import table

CELLS = [("NAME", "STATE"), ("one-two-three", "ready for a long time"), ("four", "ended")]
NARROW = [("one-two-three", "ready for a long time"), ("four", "ended")]


def on_terminal(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    monkeypatch.setattr("shutil.get_terminal_size", lambda: os.terminal_size((width, 24)))
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)


@pytest.mark.parametrize(
    ("width", "lines"),
    [
        (80, ["NAME           STATE", "one-two-three  ready for a long time", "four           ended"]),
        (39, ["NAME           STATE", "one-two-three  ready for a long time", "four           ended"]),
        (35, ["one-two-three", "  ready for a long time", "four", "  ended"]),
        (12, ["one-two-thre", "  ready for", "  a long", "  time", "four", "  ended"]),
    ],
)
def test_a_table_is_never_wider_than_the_terminal(
    monkeypatch: pytest.MonkeyPatch, width: int, lines: list[str]
) -> None:
    on_terminal(monkeypatch, width)
    assert table(CELLS, NARROW).splitlines() == lines


def test_the_last_column_goes_on_below_itself_and_says_all(monkeypatch: pytest.MonkeyPatch) -> None:
    on_terminal(monkeypatch, 46)
    rows = [("NAME", "STATE"), ("one-two-three", "queued: other jobs come first, starts about 14:30")]

    assert table(rows, []).splitlines() == [
        "NAME           STATE",
        "one-two-three  queued: other jobs come first,",
        "               starts about 14:30",
    ]


def test_where_nobody_looks_nothing_is_cut() -> None:
    assert table([("A", "B"), ("x" * 200, "y" * 200)], []) == f"A{' ' * 201}B\n{'x' * 200}  {'y' * 200}"


def test_a_long_text_ends_in_dots() -> None:
    assert [shortened("abcdef", 6), shortened("abcdefg", 6)] == ["abcdef", "abc..."]
