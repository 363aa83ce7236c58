"""The tests run the same from make, as a background job of a shell, and by `python -m pytest` with a bare PATH."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[3]
# Tests that interrupt, and one that runs a program of the venv.
MODULES = ("tests/unit/lightship_cluster/test_interrupted_starts.py", "tests/unit/dev/test_write_completion.py")
BARE = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "LANG": "C.UTF-8"}


def test_a_caller_with_a_bare_path_and_sigint_ignored() -> None:
    # As `nohup`, cron and `command &` in a script start it.
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *MODULES, "-k", "ctrl_c or shellcheck"],
            cwd=REPOSITORY,
            env={**BARE, **{key: value for key, value in os.environ.items() if key.startswith("TMP")}},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    finally:
        signal.signal(signal.SIGINT, handler)
    assert done.returncode == 0, done.stdout + done.stderr
