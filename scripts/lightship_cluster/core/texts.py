"""Texts for a terminal: shortened, and without control characters."""

from __future__ import annotations

import re

LONGEST_QUOTED = 60

_COLOURS = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")


def quoted(text: str) -> str:
    """The text in quotation marks; of a long one, the beginning."""
    return repr(shortened(text, LONGEST_QUOTED))


def shortened(text: str, most: int) -> str:
    """The text in at most `most` characters."""
    return text if len(text) <= most else f"{text[: most - 3]}..."


def counted(number: int, noun: str) -> str:
    """`1 core`, `2 cores`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def visible(text: str) -> str:
    """The text for a terminal; characters that are not printable are written as escapes."""
    if text.isprintable():
        return text
    spelled = (letter.encode("unicode_escape").decode("ascii") for letter in text)
    return "".join(letter if letter.isprintable() or letter in "\n\t" else each for letter, each in zip(text, spelled))


def cleaned(text: str) -> str:
    """A program's output without control characters."""
    lines = _COLOURS.sub("", text).replace("\r\n", "\n").replace("\r", "\n")
    return "".join(letter for letter in lines if letter.isprintable() or letter in "\n\t")
