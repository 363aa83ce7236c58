"""Flushes a command's output at its end."""

from __future__ import annotations

import os
import sys


def flush() -> None:
    """Flush the output. On a full disk it is lost, but the exit status is kept."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream:
                stream.flush()
        except OSError:
            # Otherwise Python flushes again at its end, fails, and exits with status 120.
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
