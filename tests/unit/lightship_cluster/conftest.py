from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from lightship_cluster.registry_client import transport
from unit.lightship_cluster.fake_login_node import login
from unit.lightship_cluster.fake_registry import FakeRegistry, fake_registry
from unit.lightship_cluster.guarded_program import guarded
from unit.lightship_cluster.node import node

__all__ = ["guarded", "login", "node", "registry"]


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[FakeRegistry]:
    with fake_registry(tmp_path) as fake:
        yield fake


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses between requests to a busy registry; time passes only in them."""
    pauses: list[float] = []
    monkeypatch.setattr(transport, "time", SimpleNamespace(monotonic=lambda: sum(pauses), sleep=pauses.append))
    return pauses
