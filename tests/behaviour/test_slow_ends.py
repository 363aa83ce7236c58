"""Ends that take a minute, begun while other tests ran: time that is up, and a node that is lost."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support import ends


@pytest.fixture(scope="module", autouse=True)
def _the_node_comes_back(slow_ends: ends.SlowEnds) -> Iterator[None]:
    yield
    slow_ends.close()


@pytest.mark.parametrize("kind", ends.SLOW)
def test_the_owner_reads_why_it_ended(slow_ends: ends.SlowEnds, kind: str) -> None:
    ends.expect(ends.REMEMBERS, kind, slow_ends.notebooks[kind])
