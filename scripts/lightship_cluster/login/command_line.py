"""Reads the command line of `start-jupyter` by the table of options."""

from __future__ import annotations

import argparse
import re
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Callable, NoReturn

from lightship_cluster import __version__
from lightship_cluster.config.options import COMMANDS, OPTIONS, Command, Option, did_you_mean
from lightship_cluster.core.durations import doubt_of
from lightship_cluster.core.texts import quoted, shortened, visible
from lightship_protocol import limits

PROGRAM = "start-jupyter"
LONGEST_FAULT = 500
# What looks like a secret must not be shown on a page.
SECRET_LIKE = re.compile(r"[0-9A-Fa-f]{24,}|token=", re.IGNORECASE)
REST = "--"
# The message of argparse about --json=yes.
IGNORED = re.compile(r"ignored explicit argument .*", re.DOTALL)
A_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,40}", re.ASCII)


@dataclass(frozen=True)
class Line:
    """A command line: the options, which settings complete, and how to print."""

    given: Mapping[str, Any]
    preset: str = ""
    info: bool = False
    quiet: bool = False
    json: bool = False
    typed: str = PROGRAM
    # The arguments, kept for `again`; empty if the command must not be shown.
    words: tuple[str, ...] = ()
    # Notes about values that may not mean what the user thinks.
    doubts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Asked:
    """A command other than a start; `name` is the beginning of a link's name."""

    command: str
    name: str = ""
    switches: Mapping[str, Any] = field(default_factory=dict)

    def says(self, switch: str) -> bool:
        """Whether the switch was given."""
        return bool(self.switches.get(switch))

    def said(self, option: str) -> str:
        """The value of the option; empty without it."""
        return str(self.switches.get(option, ""))


class Parser(argparse.ArgumentParser):
    """A parser with errors for people: one line with what is wrong, and the most similar option."""

    def __init__(self, program: str, options: Sequence[Option], text: Callable[[], str]) -> None:
        super().__init__(prog=program, add_help=False, allow_abbrev=False)
        self._text = text
        # Each option's value as it was written; of several, the last.
        self.written: dict[str, str] = {}
        self._flags = ["--help", "--version"]
        self.add_argument("-h", "--help", action="help")
        self.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")
        for option in options:
            if option.flags != (REST,):
                self._add(option)

    def format_help(self) -> str:
        """The help of help_text: that of argparse would fill three screens."""
        return self._text()

    def error(self, message: str) -> NoReturn:
        """Exit with status 2; the usage is left out, so that the error is not lost in it."""
        message = IGNORED.sub("it takes no value.", message)
        self.exit(2, f"{self.prog}: error: {shortened(visible(message), LONGEST_FAULT)}\nSee {self.prog} --help.\n")

    def read(self, argv: Sequence[str]) -> tuple[dict[str, Any], list[str]]:
        """The values of the options, and the arguments without one."""
        found, others = self.parse_known_args(argv)
        strange = [word.partition("=")[0] for word in others if word.startswith("-") and word != "-"]
        if strange:
            near = did_you_mean(strange[0], tuple(self._flags))
            self.error(f"there is no option {quoted(strange[0])}.{near}")
        return vars(found), others

    def _add(self, option: Option) -> None:
        self._flags += option.flags
        common: dict[str, Any] = {"dest": option.name, "default": argparse.SUPPRESS}
        if not option.metavar:
            self.add_argument(*option.flags, action="store_const", const=option.says, **common)
            return
        action = "append" if option.many else "store"
        self.add_argument(*option.flags, action=action, type=self._reader(option), metavar=option.metavar, **common)

    def _reader(self, option: Option) -> Callable[[str], Any]:
        def read(text: str) -> Any:  # noqa: ANN401 - each option has its own type
            self.written[option.name] = text
            try:
                return option.read(text)
            except ValueError as error:
                raise argparse.ArgumentTypeError(str(error)) from error

        return read


def parse(argv: Sequence[str] | None) -> Line:
    """Read the command line of a start; options that it leaves out come from the settings."""
    words = list(sys.argv[1:] if argv is None else argv)
    # Split by hand: what follows -- goes to the scheduler unread.
    split = words.index(REST) if REST in words else len(words)
    parser = Parser(PROGRAM, OPTIONS, _help)
    said, alone = parser.read(words[:split])
    given = {name: tuple(value) if isinstance(value, list) else value for name, value in said.items()}
    if alone:
        given["time"] = _bare_time(parser, alone, given)
    if split < len(words):
        given["extra"] = tuple(words[split + 1 :])
    shown: dict[str, Any] = {name: given.pop(name) for name in ("preset", "info", "quiet", "json") if name in given}
    doubts = tuple(filter(None, (doubt_of(parser.written.get("time", "")),)))
    command = typed(words)
    return Line(given=given, typed=command, words=tuple(words) if command else (), doubts=doubts, **shown)


def parse_command(argv: Sequence[str]) -> Asked:
    """Read a command line such as `stop --all`; its first word is the command."""
    command = COMMANDS[argv[0]]
    parser = Parser(f"{PROGRAM} {command.name}", command.options, lambda: _help(command))
    switches, alone = parser.read(argv[1:])
    most = 1 if command.takes_name else 0
    if len(alone) > most:
        near = did_you_mean(f"--{alone[most]}", tuple(flag for option in command.options for flag in option.flags))
        parser.error(f"{quoted(alone[most])} is one word too many.{near}")
    return Asked(command.name, alone[0] if alone else "", switches)


def spelled(line: Line) -> list[str]:
    """A command line with the same meaning."""
    words = [f"--preset={line.preset}"] if line.preset else []
    for option in OPTIONS:
        # --here is a synonym of another option.
        if option.setting and option.flags != (REST,) and option.name in line.given:
            words += option.spelled(line.given[option.name])
    return [*words, REST, *line.given["extra"]] if "extra" in line.given else words


def typed(argv: Sequence[str]) -> str:
    """The command as the user typed it; empty if it is too long or looks as if it held a secret."""
    command = shlex.join([PROGRAM, *argv])
    shown = command.isprintable() and len(command) <= limits.COMMAND and not SECRET_LIKE.search(command)
    return command if shown else ""


def _bare_time(parser: Parser, alone: Sequence[str], given: Mapping[str, Any]) -> int:
    time = next(option for option in OPTIONS if option.name == "time")
    try:
        minutes = int(time.read(alone[0]))
    except ValueError as error:
        from lightship_cluster.login.first_words import advice

        near = did_you_mean(alone[0], tuple(COMMANDS))
        partition = f" If it is a partition: -p {alone[0]}" if A_NAME.fullmatch(alone[0]) else ""
        parser.error(advice(alone) or f"{error}{near or partition}")
    if len(alone) > 1:
        parser.error(f"{quoted(alone[1])} is one word too many: only a time stands alone, at the end.")
    if "time" in given:
        parser.error("the time was given twice; give it with -t or at the end.")
    parser.written["time"] = alone[0]
    return minutes


def _help(command: Command | None = None) -> str:
    from lightship_cluster.login.help_text import of_command, of_start

    return of_command(command) if command else of_start()
