r"""What `qstat -f -F dsv` prints, of OpenPBS and PBS Professional: one line for each job or queue.

Users choose some of the values: names, variables, comments of reservations. In the usual format a line feed in one of
them begins a line, and a line can look like another user's job. The JSON of releases up to 23.06.06 leaves quotation
marks behind two backslashes as they are, and one job makes the whole of it unreadable. In this format line feeds are
printed as `\n`, and nobody knows the delimiter beforehand: a value can end neither its attribute nor its line.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

from lightship_cluster.schedulers.pbs_values import Record


def _delimiter() -> str:
    return secrets.token_hex(16)


@dataclass(frozen=True)
class Question:
    """One call of qstat, with the delimiter that its answer is read by."""

    delimiter: str = field(default_factory=_delimiter)

    @property
    def flags(self) -> list[str]:
        """What asks for this format."""
        return ["-f", "-F", "dsv", "-D", self.delimiter]

    def records(self, printed: str, kind: str) -> dict[str, Record]:
        """The records of a kind, "Job Id" or "Queue", by their names."""
        # Only at line feeds: str.splitlines knows more ends of a line, and values may hold those.
        lines = (line.split(self.delimiter) for line in printed.split("\n"))
        mark = f"{kind}: "
        return {head[len(mark) :]: _record(attributes) for head, *attributes in lines if head.startswith(mark)}


def _record(attributes: list[str]) -> Record:
    parts = (attribute.partition("=") for attribute in attributes)
    return {name: value for name, _, value in parts}
