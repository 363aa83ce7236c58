"""Readers of values on the command line and in settings: each returns the value, or says what to write instead."""

from __future__ import annotations

import re
import shlex

from lightship_cluster.core.texts import quoted
from lightship_protocol import limits

# The placeholders in the command of --app for the port or the socket where the program must listen.
PORT, SOCKET = "{port}", "{socket}"
LONGEST_WORD = 200
LARGEST_COUNT = 100_000
_COUNT = re.compile(r"[1-9]\d{0,5}", re.ASCII)
_GPUS = re.compile(r"(?:[A-Za-z][A-Za-z0-9_.-]{0,63}:)?[1-9]\d{0,3}", re.ASCII)
_MEMORY = re.compile(r"(\d{1,12}(?:\.\d{1,3})?) *([KMGT]?)(?:I?B)?", re.ASCII | re.IGNORECASE)
_KIB = {"K": 1, "": 1024, "M": 1024, "G": 1024**2, "T": 1024**3}
_UNITS = ("MiB", "GiB", "TiB", "PiB")
# In MiB. Jupyter alone needs more than the least, so a smaller amount means another unit. No node has nearly the most.
LEAST_MEMORY, LARGEST_MEMORY = 100, 512 * 1024**2
_SWITCH = {"yes": True, "true": True, "on": True, "1": True, "no": False, "false": False, "off": False, "0": False}


def word_of(text: str) -> str:
    """One word for the scheduler; an empty one leaves the choice to the scheduler."""
    if len(text) > LONGEST_WORD:
        raise ValueError(f"{quoted(text)} has {len(text)} characters. Give at most {LONGEST_WORD}.")
    if not text.isprintable() or any(map(str.isspace, text)):
        raise ValueError(f"{quoted(text)} is not one word. Write it without spaces.")
    return text


def title_of(text: str) -> str:
    """A title: one line of text."""
    if len(text) > limits.TITLE:
        raise ValueError(f"the title has {len(text)} characters. Give one line of at most {limits.TITLE}.")
    if not text.isprintable():
        raise ValueError(f"{quoted(text)} is not a title. Give one line of at most {limits.TITLE} characters.")
    return " ".join(text.split())


def path_of(text: str) -> str:
    """A path; whether it exists is checked later, with a better message."""
    if "\0" in text:
        raise ValueError(f"{quoted(text)} is not a path.")
    return text


def named_of(text: str) -> str:
    """The name of something that exists; not empty, as a script's variable may be."""
    if not text.strip():
        raise ValueError("nothing is named. Name what you mean.")
    return text


def count_of(text: str) -> int:
    """A number of things: `8`."""
    if not _COUNT.fullmatch(text) or int(text) > LARGEST_COUNT:
        raise ValueError(f"{quoted(text)} is not a number. Give a whole number from 1 to {LARGEST_COUNT}.")
    return int(text)


def memory_of(text: str) -> int:
    """The MiB of `16G`, `16GB`, `1.5G`, `500M`, or `500`; rounded up so that nobody gets less than asked for."""
    found = _MEMORY.fullmatch(text.strip())
    mebibytes = -(-round(float(found[1]) * 1000) * _KIB[found[2].upper()] // 1024_000) if found else 0
    if not found or not 0 < mebibytes <= LARGEST_MEMORY:
        raise ValueError(f"{quoted(text)} is not an amount of memory. Give a number with M, G or T, for example 16G.")
    if mebibytes < LEAST_MEMORY:
        few = f"{quoted(text)} is {humanized_size(mebibytes)} of memory, which is too little for Jupyter."
        meant = f"Write {found[1]}G if you mean GB, or" if found[2].upper() in ("", "M") else "Give"
        raise ValueError(f"{few} {meant} {LEAST_MEMORY}M or more.")
    return mebibytes


def humanized_size(mebibytes: int) -> str:
    """`500 MiB`, `16 GiB`, `1.5 TiB`: never with an exponent, rounded down so that nobody is promised more."""
    amount, unit = mebibytes * 10, 0
    while amount >= 10240 and unit < len(_UNITS) - 1:
        amount, unit = amount // 1024, unit + 1
    whole, tenth = divmod(amount, 10)
    return f"{whole}{f'.{tenth}' if tenth else ''} {_UNITS[unit]}"


def gpus_of(text: str) -> str:
    """`2`, or with the scheduler's name for the type, `a100:2`."""
    if not _GPUS.fullmatch(text):
        raise ValueError(f"{quoted(text)} is not a number of GPUs. Give a number (2), or a type and a number (a100:2).")
    return text


def switch_of(text: str) -> bool:
    """The `yes` or `no` of a settings file."""
    try:
        return _SWITCH[text.lower()]
    except KeyError:
        raise ValueError(f"{quoted(text)} is neither yes nor no.") from None


def app_of(text: str) -> tuple[str, ...]:
    """A command with a placeholder for where it must listen."""
    words = split_words(text)
    if text and (PORT in text) == (SOCKET in text):
        raise ValueError(
            f"the command must say where it shall listen: write {PORT} where it takes a port, or {SOCKET} where it "
            "takes the path of a Unix socket, as in 'uvicorn app:app --uds {socket}'."
        )
    return words


def split_words(text: str) -> tuple[str, ...]:
    """Several words, split and quoted as in a shell."""
    try:
        return tuple(shlex.split(text))
    except ValueError as error:
        raise ValueError(f"{quoted(text)} cannot be read as words ({error}). Close the quotation.") from error
