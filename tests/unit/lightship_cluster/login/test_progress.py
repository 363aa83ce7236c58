from __future__ import annotations

import io
import json
import os
import time

import pytest

from lightship_cluster.login.command_line import Line
from lightship_cluster.login.progress import ERASE_LINE, Events, Progress, Quiet, progress_for


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True

    def fileno(self) -> int:
        return 2


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(os, "get_terminal_size", lambda _descriptor: os.terminal_size((40, 24)))
    return Terminal()


def test_elsewhere_each_state_is_one_line() -> None:
    stream = io.StringIO()
    progress = Progress(stream)
    for words in ("Queued", "Queued", "Starting", "Queued"):
        progress.show(words)
    progress.say("Ready")

    assert stream.getvalue() == "Queued\nStarting\nQueued\nReady\n"


def test_on_a_terminal_there_is_one_live_line(terminal: Terminal) -> None:
    progress = Progress(terminal)
    progress.show("Queued")
    progress.show("Starting")
    progress.say("Ready")

    assert terminal.getvalue() == f"{ERASE_LINE}Queued  (0 s){ERASE_LINE}Starting  (0 s){ERASE_LINE}Ready\n"


def test_the_number_of_the_job_is_beside_what_it_waits_for(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "get_terminal_size", lambda _descriptor: os.terminal_size((80, 24)))
    progress = Progress(terminal)
    progress.job("4711", "/home/alice/job.log")
    progress.show("Queued")

    progress.show("Job 4711 is submitted")

    assert terminal.getvalue() == f"{ERASE_LINE}Queued  (job 4711, 0 s){ERASE_LINE}Job 4711 is submitted  (0 s)"


def test_a_narrow_terminal_never_wraps(terminal: Terminal) -> None:
    progress = Progress(terminal)
    progress.job("4711", "/home/alice/job.log")
    progress.show("Queued: " + "it waits for free resources " * 3)

    assert len(terminal.getvalue().replace(ERASE_LINE, "")) < 40


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("Queued: other jobs come first, starts about 14:30", "Queued, starts about 14:30  (0 s)"),
        ("Queued: waiting for free nodes, starts about 28 Nov 14:30", "Starts about 28 Nov 14:30  (0 s)"),
        ("Queued, starts about 14:30", "Queued, starts about 14:30  (0 s)"),
        ("Queued: its files are being made ready", "Queued: its files are being m...  (0 s)"),
    ],
)
def test_a_narrow_terminal_still_shows_when_the_job_starts(terminal: Terminal, words: str, shown: str) -> None:
    Progress(terminal).show(words)

    assert terminal.getvalue() == f"{ERASE_LINE}{shown}"


def test_what_is_waited_for_is_shown_if_it_takes_long_and_then_gone(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    progress = Progress(terminal)
    with progress.waiting("Asking"):
        pass
    assert terminal.getvalue() == ""

    monkeypatch.setattr("lightship_cluster.login.progress.MOMENT_SECONDS", 0.001)
    with progress.waiting("Asking"):
        while not terminal.getvalue():
            time.sleep(0.001)
    assert terminal.getvalue() == f"{ERASE_LINE}Asking  (0 s){ERASE_LINE}"


def test_nothing_that_is_shown_drives_the_terminal(terminal: Terminal) -> None:
    progress = Progress(terminal)
    progress.show("Queued\x1b[2J")
    progress.say("a\x07b")

    assert terminal.getvalue() == f"{ERASE_LINE}Queued\\x1b[2J  (0 s){ERASE_LINE}a\\x07b\n"


def test_a_dumb_terminal_is_treated_as_a_file(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    Progress(terminal).show("Queued")

    assert terminal.getvalue() == "Queued\n"


def test_how_to_print_is_chosen_on_the_command_line() -> None:
    kinds = [type(progress_for(line)) for line in (Line({}), Line({}, quiet=True), Line({}, quiet=True, json=True))]

    assert kinds == [Progress, Quiet, Events]


def test_events_tell_each_state_once(capsys: pytest.CaptureFixture[str]) -> None:
    events = Events()
    for words in ("Queued", "Queued", "Starting"):
        events.show(words, {"state": "waiting"})
    events.say("A warning")
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    assert told == [
        {"event": "state", "words": "Queued", "state": "waiting"},
        {"event": "state", "words": "Starting", "state": "waiting"},
        {"event": "note", "words": "A warning"},
    ]
