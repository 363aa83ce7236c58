"""Who is who on this host."""

from __future__ import annotations

import pwd


def user_name(uid: int) -> str | None:
    """The name of a user's number; nothing for a number that is nobody's here."""
    try:
        return pwd.getpwuid(uid).pw_name
    except (KeyError, OverflowError):
        return None
