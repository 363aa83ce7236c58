"""Tables for people, JSON for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

# In a pipe nobody wraps lines: nothing is cut off there.
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
    """One document."""
    click.echo(json.dumps(data, indent=2, ensure_ascii=True))


def print_table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Columns that fit the terminal; what is too long goes on in the next line."""
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for number, head in enumerate(heads):
        # The first is a name, to be copied: it stays in one piece.
        table.add_column(head, overflow="fold", no_wrap=number == 0)
    for row in rows:
        table.add_row(*(cell(text) for text in row))
    console().print(table)


def print_pairs(pairs: Iterable[tuple[str, str]]) -> None:
    """One thing, line by line."""
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, text in pairs:
        table.add_row(name, cell(text))
    console().print(table)


def cell(text: str) -> Text:
    """Never markup, and no control character: much of it was typed by users."""
    shown = printable(text)
    return Text(shown, style=COLOURS.get(shown, ""))


def printable(text: str) -> str:
    """Without what would move a terminal's cursor, or do worse."""
    return "".join(character if character.isprintable() or character == "\n" else "?" for character in text)


def console() -> Console:
    """Made anew each time: it looks at standard output as it is now."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else PIPE_WIDTH)


def examples(*lines: str) -> str:
    """An epilog of commands; its first character keeps them in lines of their own."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)
