"""The time, as a value that is passed in: tests turn its hands."""

from __future__ import annotations

import time
from collections.abc import Callable

Clock = Callable[[], float]

wall: Clock = time.time
steady: Clock = time.monotonic
