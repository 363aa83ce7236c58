"""Ends that take a minute, begun while other tests ran: time that is up, and a node that is lost."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

import bed
import ends


@pytest.fixture(scope="module", autouse=True)
def _the_node_comes_back(lost_node: ExitStack) -> Iterator[None]:
    yield
    lost_node.close()


@pytest.mark.parametrize("kind", ["time", "node"])
def test_the_owner_reads_why_it_ended(slow_ends: dict[str, bed.Notebook], kind: str) -> None:
    ends.expect(kind, slow_ends[kind], ends.KINDS[kind])
