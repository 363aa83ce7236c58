from __future__ import annotations

from dataclasses import dataclass

OK, NOTE, WARNING, WRONG = "ok", "note", "warning", "wrong"


@dataclass(frozen=True)
class Finding:
    """One line of the doctor's: how it is, of what, and what to do about it."""

    level: str
    what: str
    remedy: str = ""
    # The check that found it: a word for programs.
    check: str = ""
    # When the thing ends that was looked at; 0 where nothing ends.
    ends: float = 0.0


def ok(what: str) -> Finding:
    """In order."""
    return Finding(OK, what)


def note(what: str, remedy: str = "") -> Finding:
    """Nothing that fails, but worth knowing: nobody needs to be woken for it."""
    return Finding(NOTE, what, remedy)


def warning(what: str, remedy: str) -> Finding:
    """It works, but not for ever or not surely."""
    return Finding(WARNING, what, remedy)


def wrong(what: str, remedy: str) -> Finding:
    """Somebody is without the service, or without its protection."""
    return Finding(WRONG, what, remedy)
