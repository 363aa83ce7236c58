"""Tables for people, JSON for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

# The width in a pipe, where nothing may be cut off.
PIPE_WIDTH = 200
COLOURS = {
    "ready": "green",
    "starting": "cyan",
    "waiting": "yellow",
    "ended": "dim",
    "ok": "green",
    "warning": "yellow",
    "wrong": "bold red",
}

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")


def print_json(data: object) -> None:
    """Print one JSON document."""
    click.echo(json.dumps(data, indent=2, ensure_ascii=True))


def print_table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table that fits the terminal; long cells are wrapped."""
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for number, head in enumerate(heads):
        # The first column is a name that people copy: it is not wrapped.
        table.add_column(head, overflow="fold", no_wrap=number == 0)
    for row in rows:
        table.add_row(*(cell(text) for text in row))
    console().print(table)


def print_pairs(pairs: Iterable[tuple[str, str]]) -> None:
    """Print one object, a line for each value."""
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, text in pairs:
        table.add_row(name, cell(text))
    console().print(table)


def cell(text: str) -> Text:
    """A cell without markup and control characters: users typed much of its text."""
    shown = printable(text)
    return Text(shown, style=COLOURS.get(shown, ""))


def printable(text: str) -> str:
    """Replace control characters, which could move a terminal's cursor, or do worse."""
    return "".join(character if character.isprintable() or character == "\n" else "?" for character in text)


def console() -> Console:
    """Make a console for standard output as it is now."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else PIPE_WIDTH)


def examples(*lines: str) -> str:
    """An epilog with examples; its first character tells click not to wrap them."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)
