#!/usr/bin/env python3
"""Writes the table of variables in each role's README from its argument specification and its defaults.

Usage: write_variable_tables.py [--check]; with --check nothing is written, and a table that differs fails.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from check_arguments import REPOSITORY, load

MARK = "<!-- `make docs` writes this table from meta/argument_specs.yml. -->"
HEAD = ("| variable | type | default | what it decides |", "| --- | --- | --- | --- |")
WIRING = REPOSITORY / "ansible" / "group_vars" / "all.yml"


def table(role: Path, wired: set[str]) -> list[str]:
    """Return the lines of a role's table, in the order of its specification."""
    defaults = load(role / "defaults" / "main.yml")
    options = load(role / "meta" / "argument_specs.yml")["argument_specs"]["main"]["options"]
    return [*HEAD, *(_row(name, spec, defaults, wired) for name, spec in options.items())]


def _row(name: str, spec: dict[str, Any], defaults: dict[str, Any], wired: set[str]) -> str:
    default = "required" if spec.get("required") else _default(defaults[name])
    if name in wired:
        default += ", set by the playbooks"
    said = spec["description"]
    words = " ".join((said if isinstance(said, str) else " ".join(said)).split())
    kind = "one of " + ", ".join(f"`{choice}`" for choice in spec["choices"]) if "choices" in spec else spec["type"]
    return f"| `{name}` | {kind} | {default} | {_cell(words)} |"


def _default(value: object) -> str:
    text = value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False)
    # The description says what an expression comes to.
    return "computed" if text.startswith("{{") else f"`{_cell(text)}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def written(readme: str, lines: list[str]) -> str:
    """Return the README with these lines in place of the table after the mark."""
    before, mark, after = readme.partition(f"{MARK}\n")
    if not mark:
        raise ValueError(MARK)
    kept = after.split("\n")
    while kept and (kept[0].startswith("|") or not kept[0]):
        kept.pop(0)
    return "\n".join([before + MARK, "", *lines, "", *kept])


def readmes(roles: Path) -> Iterator[tuple[Path, str]]:
    """Yield each role's README and what it ought to be."""
    wired = set(load(WIRING))
    for role in sorted(path.parent for path in roles.glob("*/README.md")):
        path = role / "README.md"
        yield path, written(path.read_text("utf-8"), table(role, wired))


def main(argv: list[str]) -> int:
    """Write what differs, or name it."""
    differs = 0
    for path, text in readmes(REPOSITORY / "roles"):
        if path.read_text("utf-8") == text:
            continue
        differs = 1
        if "--check" in argv:
            print(f"{path.relative_to(REPOSITORY)}: its table of variables is not what make docs writes.")
        else:
            path.write_text(text, "utf-8")
            print(f"wrote {path.relative_to(REPOSITORY)}")
    return differs if "--check" in argv else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
