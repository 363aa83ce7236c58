"""`start-jupyter doctor`: checks the whole way, and names the first fault."""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Callable

from lightship_cluster.config.settings import SiteSettings
from lightship_cluster.core.errors import ExitStatus, LightshipError
from lightship_cluster.core.texts import visible
from lightship_cluster.login.checks import CHECKS, Check, Doubt, Patient, Skip
from lightship_cluster.login.command_line import Asked

OK, DOUBT, WRONG, SKIPPED = "ok", "doubt", "wrong", "skipped"
# With fewer columns the text goes on lines of its own.
LEAST_OF_WORDS = 32
MARKS = {OK: "ok", DOUBT: "?", WRONG: "WRONG", SKIPPED: "-"}


@dataclass(frozen=True)
class Finding:
    """The result of one check."""

    check: str
    level: str
    words: str
    status: ExitStatus = ExitStatus.OK


def run(asked: Asked, load: Callable[[], SiteSettings]) -> ExitStatus:
    """Run every check; the exit status is that of the first fault."""
    found = []
    for finding in findings(Patient(load), dict(CHECKS)):
        found.append(finding)
        # Printed at once: some checks wait for a timeout.
        print(json.dumps(asdict(finding)) if asked.says("json") else visible(_line(finding)), flush=True)
    first = next((finding for finding in found if finding.level == WRONG), None)
    if not asked.says("json"):
        print(visible(_verdict(first, [finding for finding in found if finding.level == DOUBT])))
    return first.status if first else ExitStatus.OK


def findings(patient: Patient, checks: dict[str, Check]) -> Iterator[Finding]:
    """One finding for each check; a failure that repeats an earlier one is skipped."""
    said: set[str] = set()
    for name, check in checks.items():
        finding = _made(name, check, patient)
        if finding.level == WRONG and finding.words in said:
            finding = Finding(name, SKIPPED, "cannot be checked before that is right")
        said.add(finding.words)
        yield finding


def _made(name: str, check: Check, patient: Patient) -> Finding:
    try:
        return Finding(name, OK, check(patient))
    except Skip as reason:
        return Finding(name, SKIPPED, str(reason))
    except Doubt as doubt:
        return Finding(name, DOUBT, doubt.sentence, doubt.status)
    except LightshipError as error:
        return Finding(name, WRONG, error.sentence, error.status)
    except Exception as error:  # the other checks must run all the same
        return Finding(name, WRONG, f"It cannot be checked ({error!r}). Tell your administrators.", ExitStatus.FAILED)


def _line(finding: Finding) -> str:
    head = f"{MARKS[finding.level]:5}  {finding.check:9}  "
    if not sys.stdout.isatty():
        return head + finding.words
    # On a terminal the text stays in its column; names and paths are never broken.
    width = shutil.get_terminal_size().columns
    if width < len(head) + LEAST_OF_WORDS:
        below = textwrap.indent(
            textwrap.fill(finding.words, max(width - 2, 20), break_long_words=False, break_on_hyphens=False), "  "
        )
        return f"{head.rstrip()}\n{below}"
    return textwrap.fill(
        head + finding.words, width, subsequent_indent=" " * len(head), break_long_words=False, break_on_hyphens=False
    )


def _verdict(first: Finding | None, doubts: list[Finding]) -> str:
    if first:
        return f"\nFirst of all: {first.words}"
    return f"\nIt works. But: {doubts[0].words}" if doubts else "\nAll is well: start-jupyter gives you a notebook."
