from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from unit.lightship_cluster.login import login
from unit.lightship_cluster.node import node
from unit.lightship_cluster.world import StubRegistry, stub_registry

__all__ = ["login", "node", "registry"]


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[StubRegistry]:
    with stub_registry(tmp_path) as stub:
        yield stub
