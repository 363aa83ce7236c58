"""One JSON line per event, for the journal and the audit file. It never holds secrets, tokens or bodies."""

from __future__ import annotations

import json
import logging
import sys
from dataclasses import dataclass
from pathlib import Path

from lightship_registry.core.audit_file import AuditFile

_audit = logging.getLogger("lightship.audit")
_journal = logging.getLogger("lightship")


@dataclass(frozen=True)
class Event:
    """Who did what to which link, and the result."""

    action: str
    result: str
    cluster: str = ""
    user: str = ""
    link: str = ""
    address: str = ""
    target: str = ""
    reason: str = ""
    by: str = ""


def record(event: Event) -> None:
    """Write the event without its empty fields."""
    fields = {key: value for key, value in vars(event).items() if value}
    _audit.info(as_line({"event": "audit", **fields}), extra={"fields": fields})


def problem(sentence: str, *, traceback: bool = False) -> None:
    """Report a problem that an administrator must look at; `traceback` adds that of the current exception."""
    _journal.error(as_line({"event": "problem", "reason": sentence}), exc_info=traceback)


def notice(sentence: str) -> None:
    """Report what happened."""
    _journal.info(as_line({"event": "notice", "reason": sentence}))


def as_line(fields: dict[str, str]) -> str:
    """Format the fields in ASCII, so that no text of a client can break out of its line."""
    return json.dumps(fields, ensure_ascii=True)


def set_up() -> None:
    """Write everything to standard output; the journal adds the time and the unit."""
    logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="%(message)s", force=True)


def keep_in(path: Path | None) -> None:
    """Append each event to a file too; the journal reports problems with that file."""
    for old in _audit.handlers[:]:
        _audit.removeHandler(old)
        old.close()
    if path is not None:
        _audit.addHandler(AuditFile(path, as_line, problem, notice))
