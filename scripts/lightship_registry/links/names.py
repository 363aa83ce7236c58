"""The three words that name a link: public, single use, never a credential."""

from __future__ import annotations

import hashlib
import secrets
import struct
from collections.abc import Collection
from functools import cache
from importlib import resources
from pathlib import Path

from lightship_protocol import forms
from lightship_registry.core.files import write_beside

# The hash of a name puts it into one of the series, and new names are drawn from one series at a time. A restored store
# does not know the names that were given since its backup, so a restore switches to a series that has none of them.
SERIES = 64
SERIES_FILE = "name_series"


@cache
def words() -> tuple[str, ...]:
    """The words of the list that is packed with the service."""
    text = (resources.files(__package__) / "words.txt").read_text("ascii")
    return tuple(line for line in text.splitlines() if line and not line.startswith("#"))


def new_name(series: int) -> str:
    """Draw three different words. Only the store knows whether the name is free."""
    known = words()
    while True:
        # Many draws at a time: one name in 64 is in the series, and each reading of random bytes is a system call.
        # With 32 bits for each word, no word is noticeably more frequent than another.
        for one, two, three in struct.iter_unpack("3I", secrets.token_bytes(SERIES * struct.calcsize("3I"))):
            drawn = known[one % len(known)], known[two % len(known)], known[three % len(known)]
            name = "-".join(drawn)
            if series_of(name) == series and len(set(drawn)) == len(drawn):
                return name


def series_of(name: str) -> int:
    """The series that the name is in."""
    return hashlib.sha256(name.encode("ascii")).digest()[0] % SERIES


def read_series(state_dir: Path) -> tuple[int, ...]:
    """The series that were used, in order; the last one is the current one."""
    try:
        text = (state_dir / SERIES_FILE).read_text("ascii")
    except FileNotFoundError:
        return (0,)
    return tuple(int(number) % SERIES for number in text.split()) or (0,)


def add_series(state_dir: Path, used: Collection[int]) -> None:
    """Switch to an unused series from the next start of the service on.

    It is chosen at random: a backup that is restored twice gets two series, even if one host was lost with its notes.
    """
    free = [series for series in range(SERIES) if series not in used] or list(range(SERIES))
    told = " ".join(f"{series}" for series in [*dict.fromkeys(used), secrets.choice(free)])
    write_beside(state_dir / SERIES_FILE, f"{told}\n".encode("ascii"), 0o600)


def is_name(text: str) -> bool:
    """Whether the text has the form of a link's name."""
    return forms.LINK.fullmatch(text) is not None
