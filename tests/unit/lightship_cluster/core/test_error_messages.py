from __future__ import annotations

import socket

import pytest

from lightship_cluster.core.error_messages import RepeatedErrors, why


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ConnectionRefusedError(111, "Connection refused"), "Connection refused"),
        # In Python 3.9 another class than the next.
        (socket.timeout("timed out"), "no answer in time"),  # noqa: UP041
        (TimeoutError(), "no answer in time"),
        (ValueError("odd"), "odd"),
        (EOFError(), "EOFError"),
    ],
)
def test_a_reason_is_given_in_words(error: Exception, words: str) -> None:
    assert why(error) == words


def test_a_trouble_is_told_once_and_so_is_its_end(capsys: pytest.CaptureFixture[str]) -> None:
    errors = RepeatedErrors("It does not work", "It works again.")
    for trouble in ("", "one", "one", "another", "another", "", ""):
        errors.say(trouble)

    assert capsys.readouterr().out == "It does not work: one\nIt does not work: another\nIt works again.\n"
