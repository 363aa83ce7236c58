"""What takes a minute goes on while other tests run."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support import clusters, ends


@pytest.fixture(scope="session", autouse=True)
def slow_ends() -> Iterator[ends.SlowEnds]:
    """Return the ends that take a minute; where there are two passes the first one begins with the session."""
    slow = ends.SlowEnds()
    try:
        if clusters.here() is clusters.PBS:
            slow.begin(ends.FORGETS)
        yield slow
    finally:
        slow.close()
