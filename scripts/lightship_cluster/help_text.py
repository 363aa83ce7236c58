"""The help of the commands: one screen, from the table of options."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable

from lightship_cluster.options import COMMANDS, OPTIONS, Command, Option

WIDTH = 79
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
    """What `start-jupyter --help` prints."""
    groups = list(dict.fromkeys(option.group for option in OPTIONS))
    parts = [START]
    for group in groups:
        members = [option for option in OPTIONS if option.group == group and not option.rare]
        parts.append(f"{group}:\n" + "\n".join(map(_row, members)))
    parts += [_also(option for option in OPTIONS if option.rare), _commands(), "", EXAMPLES]
    return "\n".join(parts)


def of_command(command: Command) -> str:
    """What `start-jupyter stop --help` prints."""
    usage = f"usage: start-jupyter {command.name} [OPTION]... {'[NAME]' if command.takes_name else ''}".rstrip()
    lines = [usage, f"{command.help[:1].upper()}{command.help[1:]}.", *map(_row, command.options)]
    if command.takes_name:
        lines.append(
            "NAME is a link's three words or its title, or the beginning; without it, your newest link is meant."
        )
    return "\n".join(lines) + "\n"


def heading(option: Option) -> str:
    """`-p, --partition NAME`."""
    return f"{', '.join(option.flags)} {option.metavar}".rstrip()


def _row(option: Option) -> str:
    # Long names stand below each other.
    indent = " " * (2 if len(option.flags) > 1 or option.flags[0] == "--" else 6)
    return f"{indent + heading(option):{COLUMN}}  {option.help}"


def _also(rare: Iterable[Option]) -> str:
    named = ", ".join(f"{option.flags[-1]} {option.metavar}".rstrip() for option in rare)
    return _filled(f"Also: {named}, --version.") + "\nMore about each: man start-jupyter"


def _commands() -> str:
    return _filled(f"Commands: {', '.join(COMMANDS)}. Each tells more with --help.")


def _filled(text: str) -> str:
    return textwrap.fill(text, WIDTH, subsequent_indent="  ", break_on_hyphens=False)
