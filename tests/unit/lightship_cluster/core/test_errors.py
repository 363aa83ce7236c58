from __future__ import annotations

import re
from pathlib import Path

import lightship_cluster
from lightship_cluster.core.errors import ExitStatus

GUIDE = (Path(lightship_cluster.__file__).parent / "README.md").read_text("utf-8")


def test_the_guide_lists_every_exit_status() -> None:
    listed = {(int(number), name) for number, name in re.findall(r"^\| (\d+) `([A-Z_]+)` \|", GUIDE, re.MULTILINE)}

    assert listed == {(int(status), status.name) for status in ExitStatus}
