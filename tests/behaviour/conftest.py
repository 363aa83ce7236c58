"""What takes a minute goes on while other tests run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext

import pytest

import bed
import clusters
import ends

HERE = clusters.here()


@pytest.fixture(scope="session")
def slow_ends() -> Iterator[dict[str, bed.Notebook]]:
    """Return notebooks whose time will be up and whose node is lost; from here on PBS remembers jobs that are over."""
    with clusters.PBS.history() if HERE is clusters.PBS else nullcontext():
        try:
            notebooks = ends.begin("time", "node")
            ends.bring_about(notebooks)
            yield notebooks
        finally:
            HERE.bring_back(ends.SECOND)
