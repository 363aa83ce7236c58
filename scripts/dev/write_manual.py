#!/usr/bin/env python3
"""Writes the manual page start-jupyter(1), from the table of options and the guide's list of exit statuses."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Sequence

from build_zipapps import SCRIPTS, write_texts

sys.path.insert(0, str(SCRIPTS))

from lightship_cluster import __version__
from lightship_cluster.config.options import BUILT_IN, COMMANDS, OPTIONS, SETTINGS, Command, Option
from lightship_cluster.login.help_text import EXAMPLES, heading

NAME = "start-jupyter.1"
GUIDE = SCRIPTS / "lightship_cluster" / "README.md"
STATUS = re.compile(r"^\| (\d+) `[A-Z_]+` \| ([^|]+) \| ([^|]*)\|$", re.MULTILINE)
# Markup in Markdown: the address of a link, the marks of code and of emphasis.
MARKS = re.compile(r"\[([^\]]+)\]\([^)\s]*\)|`([^`]*)`|\*\*([^*]+)\*\*|(?<!\w)\*([^*\s][^*]*)\*(?!\w)")

INTRODUCTION = """\
Starts Jupyter in a job on a compute node of the cluster and prints a private HTTPS link to it as soon as the job is
accepted. The link opens when the notebook answers; until then its page tells what the job waits for. Then the command
follows the job until the notebook answers; Ctrl-C leaves the job alone. A time alone at the end does what -t does.
"""
TIMES_TEXT = """\
A number alone is minutes: 60. Hours, minutes and days have their letters: 2h, 90m, 1h30m, 1.5h, 1d12h. HH:MM:SS,
D-HH:MM:SS, D-HH and D-HH:MM are read as Slurm reads them. HH:MM is hours and minutes, as people write it: 1:00 is one
hour here and would be one minute to Slurm and PBS, in which no notebook is of use. From 10:00 on either may be meant;
that is not guessed but refused with both ways to write it.
"""
SETTINGS_TEXT = """\
What you always say can stand in a file of your own, in the section [defaults], or under a name of its own in
[preset NAME], to be used with --preset NAME. The keys are: {keys}. What is said nearer to you holds: the command line,
then the preset, your file, the cluster's, the site's.
"""
FILES = (
    ("~/.config/lightship/lightship.ini", "your settings; XDG_CONFIG_HOME is respected"),
    ("~/.local/state/lightship/NAME/", "a link's secret and token as long as it lives, and job.log, for you alone"),
    ("PREFIX/etc/lightship.ini", "the site's settings; LIGHTSHIP_CONFIG names another file"),
    ("PREFIX/etc/clusters/CLUSTER.ini", "a cluster's settings, and which hosts it has"),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Write the manual page."""
    return write_texts(argv, NAME, lambda: {NAME: content()})


def content() -> str:
    """The whole page."""
    # No date: the same sources give the same bytes.
    title = f'.TH START\\-JUPYTER 1 "" "Lightship {__version__}" "User Commands"\n'
    synopsis = ".B start\\-jupyter\n[OPTION]... [TIME] [\\-\\- OPTION...]\n.br\n.B start\\-jupyter\nCOMMAND [NAME]\n"
    groups = dict.fromkeys(option.group for option in OPTIONS)
    options = (f".SS {group}\n{_rows(option for option in OPTIONS if option.group == group)}" for group in groups)
    parts = (
        title,
        _section("NAME", "start\\-jupyter \\- start Jupyter on a compute node and print its private link\n"),
        _section("SYNOPSIS", synopsis),
        _section("DESCRIPTION", _text(INTRODUCTION)),
        _section("OPTIONS", "".join(options)),
        _section("TIMES", _text(TIMES_TEXT)),
        _section("COMMANDS", "".join(map(_command, COMMANDS.values()))),
        _section("SETTINGS", _text(SETTINGS_TEXT.format(keys=", ".join(SETTINGS)))),
        _section("FILES", "".join(_item(path, what) for path, what in FILES)),
        _section("EXIT STATUS", "".join(_item(*row) for row in _statuses())),
        _section("EXAMPLES", ".nf\n" + "".join(f"{_text(line)}" for line in EXAMPLES.splitlines()[1:]) + ".fi\n"),
    )
    return "".join(parts)


def _section(name: str, body: str) -> str:
    return f".SH {name}\n{body}"


def _rows(options: Iterable[Option]) -> str:
    return "".join(_item(heading(option), _told(option)) for option in options)


def _told(option: Option) -> str:
    standard = BUILT_IN.get(option.name) if option.setting and option.metavar else None
    return option.help + (f" (default: {standard})" if standard and "default" not in option.help else "")


def _command(command: Command) -> str:
    shown = f"{command.name}{' [NAME]' if command.takes_name else ''}"
    flags = "; ".join(f"{heading(option)}: {option.help}" for option in command.options)
    return _item(shown, command.help + (f" ({flags})" if flags else ""))


def _statuses() -> list[tuple[str, str]]:
    rows = STATUS.findall(GUIDE.read_text("utf-8"))
    return [(number, means + (f": {remedy.strip()}" if remedy.strip() else "")) for number, means, remedy in rows]


def _item(term: str, text: str) -> str:
    return f".TP\n.B {_escaped(term)}\n{_text(text)}"


def _text(text: str) -> str:
    return "".join(f"{_escaped(line)}\n" for line in _plain(text).strip("\n").splitlines())


def _plain(text: str) -> str:
    return MARKS.sub(lambda found: next(filter(None, found.groups()), ""), text)


def _escaped(line: str) -> str:
    plain = line.replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{plain}" if plain.startswith((".", "'", " ")) else plain


if __name__ == "__main__":
    sys.exit(main())
