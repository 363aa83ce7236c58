"""The time, as a function that is passed in: tests pass their own."""

from __future__ import annotations

import time
from collections.abc import Callable

Clock = Callable[[], float]

wall: Clock = time.time
steady: Clock = time.monotonic
