"""Add up what pytest reported in a folder of JUnit files, and print it in one line.

Usage: count_tests.py FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path

# Files that our own pytest has just written.
from xml.etree import ElementTree


def count(folder: Path) -> dict[str, int]:
    """Return how many tests passed, failed and were skipped."""
    total = {"tests": 0, "failures": 0, "errors": 0, "skipped": 0}
    for path in sorted(folder.glob("*.xml")):
        for suite in ElementTree.parse(path).getroot().iter("testsuite"):  # noqa: S314
            for key in total:
                total[key] += int(suite.get(key, "0"))
    failed = total["failures"] + total["errors"]
    return {"passed": total["tests"] - failed - total["skipped"], "failed": failed, "skipped": total["skipped"]}


def main(argv: list[str]) -> int:
    """Print the sum; return 1 when a test failed or none ran."""
    found = count(Path(argv[0]))
    skipped = f", {found['skipped']} skipped" if found["skipped"] else ""
    print(f"{found['passed']} passed, {found['failed']} failed{skipped}")
    return 1 if found["failed"] or not found["passed"] else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
