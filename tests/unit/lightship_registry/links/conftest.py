from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from unit.lightship_registry.testbed import Testbed, notebook


@pytest.fixture
def ready(testbed: Testbed, tmp_path: Path) -> dict[str, Any]:
    made = testbed.create(seconds=7200)
    with notebook(testbed.claim(made).server_context(tmp_path)) as port:
        assert testbed.job(made, "target", {"port": port}).status_code == 200
    return made
