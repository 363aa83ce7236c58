from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from lightship_registry.core import audit
from unit.lightship_registry import postgres
from unit.lightship_registry.testbed import Testbed, build_testbed


@pytest.fixture(autouse=True)
def _own_logging() -> Iterator[None]:
    """Commands set up logging for their whole process: undo it."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    audit.keep_in(None)


@pytest.fixture(scope="session")
def cluster() -> Iterator[postgres.Cluster]:
    with postgres.running() as cluster:
        yield cluster


@pytest.fixture
def store_url(request: pytest.FixtureRequest) -> str:
    """SQLite, or what `both_databases` says."""
    if getattr(request, "param", "sqlite") == "sqlite":
        return ""
    cluster: postgres.Cluster = request.getfixturevalue("cluster")
    return cluster.fresh()


@pytest.fixture
def testbed(tmp_path: Path, store_url: str) -> Iterator[Testbed]:
    testbed = build_testbed(tmp_path, store_url=store_url)
    yield testbed
    testbed.close()
