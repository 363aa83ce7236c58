"""The names of users on this host."""

from __future__ import annotations

import pwd


def user_name(uid: int) -> str | None:
    """The name of the user with this number; None if this host knows none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except (KeyError, OverflowError):
        return None
