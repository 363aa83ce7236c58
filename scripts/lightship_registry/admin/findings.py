from __future__ import annotations

from dataclasses import dataclass

OK, WARNING, WRONG = "ok", "warning", "wrong"


@dataclass(frozen=True)
class Finding:
    """One line of the doctor's: how it is, of what, and what to do about it."""

    level: str
    what: str
    remedy: str = ""


def ok(what: str) -> Finding:
    """In order."""
    return Finding(OK, what)


def warning(what: str, remedy: str) -> Finding:
    """It works, but not for ever or not surely."""
    return Finding(WARNING, what, remedy)


def wrong(what: str, remedy: str) -> Finding:
    """Somebody is without the service, or without its protection."""
    return Finding(WRONG, what, remedy)
