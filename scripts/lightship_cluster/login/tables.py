"""Tables for terminals of any width."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Sequence

# The last column is wrapped, unless it would be narrower than this.
LEAST_OF_LAST = 24
LEAST_WIDTH = 10


def table(cells: Sequence[Sequence[str]], narrow: Sequence[tuple[str, str]]) -> str:
    """The rows as a table, the head first; on a narrow terminal, `narrow`, with two texts for each row."""
    widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]) - 1)]
    lines = ["  ".join([*(f"{cell:{size}}" for cell, size in zip(row, widths)), row[-1]]).rstrip() for row in cells]
    if not sys.stdout.isatty():
        return "\n".join(lines)  # in a pipe each row is one line
    width = max(LEAST_WIDTH, shutil.get_terminal_size().columns)
    left = sum(widths) + 2 * len(widths)
    if left + LEAST_OF_LAST > width and max(map(len, lines)) > width:
        return "\n".join(f"{above[:width]}\n{_wrapped(f'  {below}', width, 2)}" for above, below in narrow)
    return "\n".join(_wrapped(line, width, left) for line in lines)


def _wrapped(line: str, width: int, indent: int) -> str:
    # The columns are kept apart from textwrap: it would close the gaps between them.
    if len(line) <= width:
        return line
    return line[:indent] + textwrap.fill(
        line[indent:], width - indent, subsequent_indent="", break_on_hyphens=False
    ).replace("\n", f"\n{' ' * indent}")
