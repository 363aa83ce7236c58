"""Reads a folder of JUnit files: lists the slowest tests and those that failed or did not run, and counts all.

Usage: count_tests.py FOLDER
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

# Files that our own pytest has just written.
from xml.etree import ElementTree

SHOWN = 300
# Only the slowest tests are shown.
SLOWEST, SLOW_SECONDS = 30, 10.0


def cases(folder: Path) -> Iterator[ElementTree.Element]:
    """Every test that ran, with its outcome as a child."""
    for path in sorted(folder.glob("*.xml")):
        yield from ElementTree.parse(path).getroot().iter("testcase")  # noqa: S314


def slowest(ran: list[ElementTree.Element]) -> list[str]:
    """Return a line for each slow test, with the time of its fixtures; the slowest first."""
    times = sorted(((float(case.get("time") or 0), name(case)) for case in ran), reverse=True)
    return [f"{seconds:6.0f} s  {which}" for seconds, which in times[:SLOWEST] if seconds >= SLOW_SECONDS]


def name(case: ElementTree.Element) -> str:
    """Return where the test is and what it is called."""
    return f"{case.get('classname')}::{case.get('name')}"


def outcome(case: ElementTree.Element, *kinds: str) -> str | None:
    """Return where and why a test ended in one of these ways, in one line; None when it did not."""
    for kind in kinds:
        found = case.find(kind)
        if found is not None:
            why = " ".join((found.get("message") or "").split())
            return f"{name(case)}: {why}"[:SHOWN]
    return None


def main(argv: list[str]) -> int:
    """Print what failed and the sum; return 1 when a test failed or none ran."""
    ran = list(cases(Path(argv[0])))
    failed = [why for why in (outcome(case, "failure", "error") for case in ran) if why is not None]
    left_out = [why for why in (outcome(case, "skipped") for case in ran) if why is not None]
    for line in slowest(ran):
        print(line)
    for why in left_out:
        print(f"NOT RUN {why}")
    for why in failed:
        print(f"FAILED {why}")
    passed = len(ran) - len(failed) - len(left_out)
    print(f"{passed} passed, {len(failed)} failed" + (f", {len(left_out)} not run" if left_out else ""))
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
