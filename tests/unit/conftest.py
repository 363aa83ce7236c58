"""What every unit test may rely on, whoever starts pytest and from where."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

# A background job of a shell has SIGINT ignored, and so would every program that a test starts and interrupts.
signal.signal(signal.SIGINT, signal.default_int_handler)

# `python -m pytest` of a venv that was not activated: the programs beside that Python are what the tests run.
BESIDE = str(Path(sys.executable).parent)
if BESIDE not in os.environ.get("PATH", "").split(os.pathsep):
    os.environ["PATH"] = os.pathsep.join(filter(None, (BESIDE, os.environ.get("PATH", os.defpath))))
