from __future__ import annotations

import io
import os
from typing import Any

import pytest

from lightship_cluster.config.options import COMMANDS, OPTIONS, Command
from lightship_cluster.login import command_line, help_text


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("", {}),
        ("-b slurm/jupyterlab.sh", {"batch": "slurm/jupyterlab.sh"}),
        ("-b torque/jupyterlab.sh", {"batch": "torque/jupyterlab.sh"}),
        ("-d /home/x -p debug -t 30", {"folder": "/home/x", "partition": "debug", "time": 30}),
        (
            "-d /home/x -A ddp363 -p compute -t 60",
            {"folder": "/home/x", "account": "ddp363", "partition": "compute", "time": 60},
        ),
        ("-p debug 01:30:00", {"partition": "debug", "time": 90}),
        ("01:30:00 -p debug", {"partition": "debug", "time": 90}),
        (
            "--partition=p --account=a --dir=d --batch=b --time=2:00:00",
            {"partition": "p", "account": "a", "folder": "d", "batch": "b", "time": 120},
        ),
        ("-s lab -g a100:2 -c 8 -m 16G", {"interface": "lab", "gpus": "a100:2", "cores": 8, "memory": 16384}),
        (
            "--nodes 2 --qos q --reservation r --constraint [a|b]",
            {"nodes": 2, "qos": "q", "reservation": "r", "constraint": "[a|b]"},
        ),
        ("--here", {"scheduler": "none"}),
        ("--scheduler torque 30", {"scheduler": "torque", "time": 30}),
        ("-t 5 -- --exclusive -t 9 -- x", {"time": 5, "extra": ("--exclusive", "-t", "9", "--", "x")}),
        ("--", {"extra": ()}),
        # A variable of a script that is empty: not the folder that the script happens to run in.
        ("--dir= --venv=", {"folder": "~", "venv": ""}),
    ],
)
def test_what_is_said_is_understood_and_nothing_else_is_invented(line: str, expected: dict[str, Any]) -> None:
    assert command_line.parse(line.split()).given == expected


def test_how_to_print_is_not_a_wish_for_the_job() -> None:
    read = command_line.parse(["-i", "-q", "--json", "--preset", "gpu"])

    assert (read.info, read.quiet, read.json, read.preset, read.given) == (True, True, True, "gpu", {})


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("-t soon", "'soon' is not a time. Give minutes (60), hours (2h, 1h30m) or HH:MM:SS (1:00:00)."),
        ("-t 0", "Give at least 1 minute."),
        ("-t 5 6", "the time was given twice"),
        ("5 6", "'6' is one word too many"),
        ("soon", "'soon' is not a time"),
        ("--nonsense", "there is no option '--nonsense'."),
        ("--partitoin=x", "there is no option '--partitoin'. Did you mean '--partition'?"),
        ("--part x", "there is no option '--part'"),
        (
            "-s jupyterlb",
            "'jupyterlb' is not one of notebook, jupyterlab, lab, classic, voila. Did you mean 'jupyterlab'?",
        ),
        ("-m lots", "for example 16G"),
        ("-c 0", "whole number from 1"),
        ("-g many", "a100:2"),
        ("-p", "expected one argument"),
    ],
)
def test_a_wrong_line_is_refused_with_what_to_write(line: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        command_line.parse(line.split())
    printed = capsys.readouterr().err

    assert refused.value.code == 2
    assert printed.startswith("start-jupyter: error: ")
    assert words in printed
    assert printed.endswith("See start-jupyter --help.\n")


@pytest.mark.parametrize(
    ("line", "meant"),
    [
        ("lab", "start-jupyter -s jupyterlab"),
        ("lab 60", "start-jupyter -s jupyterlab"),
        ("jupyter lab", "start-jupyter -s jupyterlab"),
        ("jupyter", "start-jupyter"),
        ("notebook", "start-jupyter -s notebook"),
        ("Voila", "start-jupyter -s voila"),
        ("start", "start-jupyter"),
        ("help", "start-jupyter --help"),
        ("help stop", "start-jupyter stop --help"),
        ("version", "start-jupyter --version"),
        ("status", "start-jupyter list --all"),
        ("kill", "start-jupyter stop"),
        ("url", "start-jupyter open"),
        ("restart", "start-jupyter again"),
        ("--json list", "start-jupyter list"),
        ("slurm", "start-jupyter --scheduler slurm"),
        ("one-two-three", "start-jupyter open one-two-three"),
        ("/", "start-jupyter -d /"),
        ("work/thesis.ipynb", "start-jupyter -d work"),
        ("thesis.ipynb", "start-jupyter -d ."),
        ("own.sh", "start-jupyter -b own.sh"),
        ("16G", "start-jupyter -m 16G"),
        ("a100:2", "start-jupyter -g a100:2"),
    ],
)
def test_a_first_word_that_is_no_command_suggests_what_was_meant(
    line: str, meant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as refused:
        command_line.parse(line.split())

    assert refused.value.code == 2
    assert f" is neither a time nor a command. Did you mean: {meant}\n" in capsys.readouterr().err


@pytest.mark.parametrize(
    "argv", [["x" * 300], ["-p", "x" * 300], ["--title", "x" * 300], [f"--{'x' * 300}"], [f"--gpu={'x' * 900}"]]
)
def test_what_is_too_long_is_not_shown_again_whole(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command_line.parse(argv)
    assert "x" * 100 not in capsys.readouterr().err


def test_a_command_line_can_be_spelled_anew() -> None:
    line = (
        "--preset gpu -d . -s lab --module a --module b --bind=x:/y --gpu -t 1:30 -m 16G -g a100:2 --here --title=-x "
        "--account= -- --exclusive -x"
    )
    read = command_line.parse(line.split())
    again = command_line.parse(command_line.spelled(read))

    assert (again.given, again.preset) == (read.given, "gpu")
    app = command_line.parse(["--app", "serve '{port}' --name 'a b'"])
    assert command_line.parse(command_line.spelled(app)).given == app.given


@pytest.mark.parametrize("width", [31, 40, 60])
def test_the_help_breaks_no_word_on_a_narrow_terminal(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = helps()
    monkeypatch.setattr("os.get_terminal_size", lambda _descriptor: os.terminal_size((width, 24)))
    monkeypatch.setattr("sys.stdout", Terminal())
    narrow = helps()

    assert max(len(line) for text in narrow for line in text.splitlines()) < width
    assert sorted(word for text in narrow for word in text.split()) == sorted(
        word for text in whole for word in text.split()
    )


def helps() -> list[str]:
    return [help_text.of_start(), *map(help_text.of_command, COMMANDS.values())]


class Terminal(io.StringIO):
    def fileno(self) -> int:
        return 1


def test_the_help_fits_a_screen_and_names_every_option() -> None:
    lines = help_text.of_start().splitlines()

    assert len(lines) <= 40
    assert max(map(len, lines)) < 80
    assert all(option.flags[-1] in "\n".join(lines) for option in OPTIONS)


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_the_options_of_a_command_have_a_line_each(command: Command) -> None:
    options = [line for line in help_text.of_command(command).splitlines() if line.lstrip().startswith("-")]

    assert len(options) == len(command.options)
    assert all(len(line) < 80 for line in options)


@pytest.mark.parametrize(
    ("argv", "command"),
    [
        ([], "start-jupyter"),
        (["-p", "compute", "-t", "60"], "start-jupyter -p compute -t 60"),
        (["-d", "/my notebooks", "02:00:00"], "start-jupyter -d '/my notebooks' 02:00:00"),
        (["-p", "gpu", "--", "--exclusive"], "start-jupyter -p gpu -- --exclusive"),
        (["-d", "/a\nb"], ""),
        (["-d", "/a\udcffb"], ""),
        (["-d", "/" + "x" * 500], ""),
        (["-d", "/" + "5e" * 12], ""),
        (["-d", "?Token=mine"], ""),
    ],
)
def test_the_command_is_kept_as_typed_if_it_can_be_shown_whole(argv: list[str], command: str) -> None:
    assert command_line.parse(argv).typed == command
