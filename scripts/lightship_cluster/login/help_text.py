"""The help of the commands, made from the table of options: one screen each."""

from __future__ import annotations

import os
import sys
import textwrap
from collections.abc import Iterable

from lightship_cluster.config.options import COMMANDS, OPTIONS, Command, Option

WIDTH, LEAST_WIDTH = 79, 30
COLUMN = 26
START = """\
usage: start-jupyter [OPTION]... [TIME] [-- OPTION OF THE SCHEDULER...]
       start-jupyter COMMAND [NAME]
Starts Jupyter on a compute node and prints its private link.
"""
EXAMPLES = """\
Examples:
  start-jupyter                           a notebook with all defaults
  start-jupyter -b slurm/jupyterlab.sh    JupyterLab instead
  start-jupyter -d ~ -p debug -t 30       half an hour in the debug partition
  start-jupyter -d ~ -A ddp363 -p compute -t 60    charged to a project
"""


def of_start() -> str:
    """The help of `start-jupyter --help`."""
    groups = list(dict.fromkeys(option.group for option in OPTIONS))
    parts = [START]
    for group in groups:
        members = [option for option in OPTIONS if option.group == group and not option.rare]
        parts.append(f"{group}:\n" + "\n".join(map(_row, members)))
    parts += [_also(option for option in OPTIONS if option.rare), _commands(), "", EXAMPLES]
    return _fitted("\n".join(parts))


def of_command(command: Command) -> str:
    """The help of a command, such as `start-jupyter stop --help`."""
    usage = f"usage: start-jupyter {command.name} [OPTION]... {'[NAME]' if command.takes_name else ''}".rstrip()
    lines = [usage, f"{command.help[:1].upper()}{command.help[1:]}.", *map(_row, command.options)]
    if command.takes_name:
        lines.append(
            "NAME is a link's three words or its title, or the beginning; without it, your newest link is meant."
        )
    return _fitted("\n".join(lines) + "\n")


def heading(option: Option) -> str:
    """`-p, --partition NAME`."""
    return f"{', '.join(option.flags)} {option.metavar}".rstrip()


def _row(option: Option) -> str:
    # Long names are aligned.
    indent = " " * (2 if len(option.flags) > 1 or option.flags[0] == "--" else 6)
    return f"{indent + heading(option):{COLUMN}}  {option.help}"


def _also(rare: Iterable[Option]) -> str:
    named = ", ".join(f"{option.flags[-1]} {option.metavar}".rstrip() for option in rare)
    return _filled(f"Also: {named}, --version.") + "\nMore about each: man start-jupyter"


def _commands() -> str:
    return _filled(f"Commands: {', '.join(COMMANDS)}. Each tells more with --help.")


def _filled(text: str) -> str:
    return _wrapped(text, _width(), "  ")


def _fitted(text: str) -> str:
    """Wrap the lines that are too long for the terminal; what stands beside a gap goes on a line of its own."""
    width = _width()
    return "\n".join(line if len(line) <= width else _folded(line, width) for line in text.split("\n"))


def _folded(line: str, width: int) -> str:
    indent = " " * (len(line) - len(line.lstrip()))
    head, gap, beside = line.strip().partition("  ")
    lines = [_wrapped(indent + head, width, f"{indent}    ")]
    if gap:
        lines.append(_wrapped(f"{indent}      {beside.strip()}", width, f"{indent}      "))
    return "\n".join(lines)


def _wrapped(text: str, width: int, indent: str) -> str:
    return textwrap.fill(text, width, subsequent_indent=indent, break_on_hyphens=False, break_long_words=False)


def _width() -> int:
    try:
        # A terminal without a known size reports 0. One column stays free: some terminals wrap a full line.
        columns = os.get_terminal_size(sys.stdout.fileno()).columns - 1
    except (OSError, ValueError, AttributeError):
        return WIDTH
    return min(WIDTH, max(LEAST_WIDTH, columns)) if columns > 0 else WIDTH
