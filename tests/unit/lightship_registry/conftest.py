from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from unit.lightship_registry.world import World, build_world


@pytest.fixture(autouse=True)
def _own_logging() -> Iterator[None]:
    """Commands set up logging for their whole process: undo it."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return build_world(tmp_path)
