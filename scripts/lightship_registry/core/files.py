"""Files that others read: written beside, then renamed, so that nobody sees half of one."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

TEMPORARY = ".tmp-"


def write_beside(path: Path, content: bytes, mode: int, group: int = -1) -> None:
    """Put the content at the path in one step, with exactly this mode, and group if given, from the start."""
    beside = path.with_name(f"{TEMPORARY}{secrets.token_hex(8)}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            # Not even to change nothing: the service's unit forbids the call.
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
