from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from unit.lightship_registry.world import World, notebook


@pytest.fixture
def ready(world: World, tmp_path: Path) -> dict[str, Any]:
    made = world.create(seconds=7200)
    with notebook(world.claim(made).server_context(tmp_path)) as port:
        assert world.job(made, "target", {"port": port}).status_code == 200
    return made
