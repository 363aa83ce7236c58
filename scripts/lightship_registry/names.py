"""The three words that name a link: public, single use, never a credential."""

from __future__ import annotations

import re
import secrets
from functools import cache
from importlib import resources

NAME = re.compile(r"[a-z]{3,12}(-[a-z]{3,12}){2}")


@cache
def words() -> tuple[str, ...]:
    """The usable words, from the list packed with the service."""
    text = (resources.files("lightship_registry") / "data" / "words.txt").read_text("ascii")
    return tuple(line for line in text.splitlines() if line and not line.startswith("#"))


def new_name() -> str:
    """Three different words; whether the name is free is the store's to say."""
    return "-".join(secrets.SystemRandom().sample(words(), 3))


def is_name(text: str) -> bool:
    """Can this be a link's name at all?"""
    return NAME.fullmatch(text) is not None
