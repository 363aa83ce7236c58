"""How tests start Chromium."""

from __future__ import annotations

from pathlib import Path

PROGRAM = Path(__file__).with_name("steady_chromium.py")
# The sandbox cannot start as root, and no test opens a page of the outside world.
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
