"""Writes files that others read: under another name, then renamed, so that nobody reads half a file."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

TEMPORARY = ".tmp-"


def write_beside(path: Path, content: bytes, mode: int, group: int = -1) -> None:
    """Replace the file at once. It has exactly this mode, and this group if given, from the start."""
    beside = path.with_name(f"{TEMPORARY}{secrets.token_hex(8)}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            # Called only if needed: the service's unit forbids this system call.
            if group != -1:
                os.fchown(file.fileno(), -1, group)
            os.fchmod(file.fileno(), mode)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
