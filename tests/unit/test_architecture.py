"""What scripts/README.md says of the packages is what there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts"
TEXT = (SCRIPTS / "README.md").read_text("utf-8")


@pytest.mark.parametrize("package", ["lightship_registry", "lightship_cluster"])
def test_every_module_is_told_of_in_its_room_and_no_other(package: str) -> None:
    table = TEXT.split(f"\n### {package}\n")[1].split("\n#")[0]
    told = []
    for row in (line.split(" | ") for line in table.splitlines() if " | `" in line):
        room = "".join(re.findall(r"`([a-z_/]+)`", row[0]))
        told += [f"{room}{name}" for name in re.findall(r"`([a-z0-9_]+)`", row[1])]
    there = [path.relative_to(SCRIPTS / package) for path in (SCRIPTS / package).rglob("*.py")]
    modules = [str(path.with_suffix("")) for path in there if not path.stem.startswith("__")]

    assert sorted(told) == sorted(name for name in modules if not name.startswith("store/migrations/"))
