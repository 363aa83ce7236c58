"""Tables for terminals of any width."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence

# Where nobody looks, nothing need be cut.
NO_TERMINAL = 1000
# The last column may be cut, but not to nothing.
LEAST_OF_LAST = 10


def table(cells: Sequence[Sequence[str]], narrow: Sequence[tuple[str, str]]) -> str:
    """The rows, the head's first; where the terminal is too narrow for them, `narrow`: two lines for each."""
    widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]) - 1)]
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else NO_TERMINAL
    if sum(widths) + 2 * len(widths) + LEAST_OF_LAST > width:
        return "\n".join(f"{above[:width]}\n  {below[: width - 2]}" for above, below in narrow)
    lines = ("  ".join([*(f"{cell:{size}}" for cell, size in zip(row, widths)), row[-1]]) for row in cells)
    return "\n".join(line[:width].rstrip() for line in lines)


def shortened(text: str, most: int) -> str:
    """The text in at most so many characters."""
    return text if len(text) <= most else f"{text[: most - 3]}..."
