"""What takes a minute goes on while other tests run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, nullcontext

import pytest

import bed
import clusters
import ends

HERE = clusters.here()


@pytest.fixture(scope="session")
def lost_node() -> Iterator[ExitStack]:
    """Hold what brings the lost node back, once: other tests of the session need it."""
    with ExitStack() as back:
        yield back


@pytest.fixture(scope="session")
def slow_ends(lost_node: ExitStack) -> Iterator[dict[str, bed.Notebook]]:
    """Return notebooks whose time will be up and whose node is lost; from here on PBS remembers jobs that are over."""
    with clusters.PBS.history() if HERE is clusters.PBS else nullcontext(), lost_node:
        notebooks = ends.begin("time", "node")
        lost_node.callback(HERE.bring_back, ends.SECOND)
        ends.bring_about(notebooks)
        yield notebooks
