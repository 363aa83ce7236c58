"""The three words that name a link: public, single use, never a credential."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection
from functools import cache
from importlib import resources
from pathlib import Path

from lightship_protocol import forms
from lightship_registry.core.files import write_beside

# Every name belongs to one series by its hash, and only one series is given from at a time. A restored store does not
# know the names that were given since its backup: the restore goes on with another series, in which none of them is.
SERIES = 64
SERIES_FILE = "name_series"


@cache
def words() -> tuple[str, ...]:
    """The usable words, from the list packed with the service."""
    text = (resources.files(__package__) / "words.txt").read_text("ascii")
    return tuple(line for line in text.splitlines() if line and not line.startswith("#"))


def new_name(series: int) -> str:
    """Three different words; whether the name is free is the store's to say."""
    known = words()
    while True:
        # One number for all three words: only one name in 64 is of the series, and each draw asks the kernel.
        number, first = divmod(secrets.randbelow(len(known) ** 3), len(known))
        third, second = divmod(number, len(known))
        name = f"{known[first]}-{known[second]}-{known[third]}"
        if len({first, second, third}) == 3 and series_of(name) == series:
            return name


def series_of(name: str) -> int:
    """Which of the series the name is in."""
    return hashlib.sha256(name.encode("ascii")).digest()[0] % SERIES


def read_series(state_dir: Path) -> tuple[int, ...]:
    """The series that were given from, in their order; the last is the present one."""
    try:
        text = (state_dir / SERIES_FILE).read_text("ascii")
    except FileNotFoundError:
        return (0,)
    return tuple(int(number) % SERIES for number in text.split()) or (0,)


def add_series(state_dir: Path, used: Collection[int]) -> None:
    """Give from a series that was not used before, when the service starts next.

    By chance, for a host that was lost does not tell what was used there: a backup restored twice leads to two.
    """
    free = [series for series in range(SERIES) if series not in used] or list(range(SERIES))
    told = " ".join(f"{series}" for series in [*dict.fromkeys(used), secrets.choice(free)])
    write_beside(state_dir / SERIES_FILE, f"{told}\n".encode("ascii"), 0o600)


def is_name(text: str) -> bool:
    """Can this be a link's name at all?"""
    return forms.LINK.fullmatch(text) is not None
