"""The end of what a command prints."""

from __future__ import annotations

import os
import sys


def let_go() -> None:
    """Print what is left to print. On a full disk it is lost, and not the exit status too."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream:
                stream.flush()
        except OSError:
            # Or Python tries again at its end, complains, and ends with status 120.
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
