from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from lightship_cluster.registry_client import transport
from unit.lightship_cluster.fake_login_node import login
from unit.lightship_cluster.house import house
from unit.lightship_cluster.node import node
from unit.lightship_cluster.world import StubRegistry, stub_registry

__all__ = ["house", "login", "node", "registry"]


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[StubRegistry]:
    with stub_registry(tmp_path) as stub:
        yield stub


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses between requests that the registry has no time for; time passes in them alone."""
    pauses: list[float] = []
    monkeypatch.setattr(transport, "time", SimpleNamespace(monotonic=lambda: sum(pauses), sleep=pauses.append))
    return pauses
