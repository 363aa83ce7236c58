from __future__ import annotations

import re
import socket
from pathlib import Path

import pytest

import lightship_cluster
from lightship_cluster.core.errors import ExitStatus, RepeatedErrors, why

GUIDE = (Path(lightship_cluster.__file__).parent / "README.md").read_text("utf-8")


def test_the_guide_lists_every_exit_status() -> None:
    listed = {(int(number), name) for number, name in re.findall(r"^\| (\d+) `([A-Z_]+)` \|", GUIDE, re.MULTILINE)}

    assert listed == {(int(status), status.name) for status in ExitStatus}


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
    for fault in ("", "one", "one", "another", "another", "", ""):
        errors.say(fault)

    assert capsys.readouterr().out == "It does not work: one\nIt does not work: another\nIt works again.\n"
