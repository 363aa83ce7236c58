"""What users wrote, shown to them again: short, and with nothing in it that could drive a terminal."""

from __future__ import annotations

import re

LONGEST_QUOTED = 60

_COLOURS = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")


def quoted(text: str) -> str:
    """The text in quotation marks; a long one by its beginning."""
    return repr(shortened(text, LONGEST_QUOTED))


def shortened(text: str, most: int) -> str:
    """The text in at most so many characters."""
    return text if len(text) <= most else f"{text[: most - 3]}..."


def counted(number: int, noun: str) -> str:
    """`1 core`, `2 cores`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def visible(text: str) -> str:
    """The text for a terminal: what could drive it, and what is no letter, is spelled out as in a program."""
    if text.isprintable():
        return text
    spelled = (letter.encode("unicode_escape").decode("ascii") for letter in text)
    return "".join(letter if letter.isprintable() or letter in "\n\t" else each for letter, each in zip(text, spelled))


def cleaned(text: str) -> str:
    """What a program printed, without anything that could drive a terminal."""
    lines = _COLOURS.sub("", text).replace("\r\n", "\n").replace("\r", "\n")
    return "".join(letter for letter in lines if letter.isprintable() or letter in "\n\t")
