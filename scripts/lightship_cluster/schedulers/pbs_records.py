r"""Reads the output of `qstat -f -F dsv` of OpenPBS and PBS Professional: one line for each job or queue.

Users choose some of the values, such as names, variables and comments of reservations. In the usual format, a line feed
in a value begins a line, which can look like another user's job. In JSON, releases up to 23.06.06 do not escape
quotation marks after two backslashes, so one job can make all of it unreadable. This format prints line feeds as `\n`,
and the delimiter is random: a value can end neither its attribute nor its line.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

from lightship_cluster.schedulers.pbs_values import Record


def _delimiter() -> str:
    return secrets.token_hex(16)


@dataclass(frozen=True)
class Question:
    """One call of qstat, with the delimiter of its answer."""

    delimiter: str = field(default_factory=_delimiter)

    @property
    def flags(self) -> list[str]:
        """The options that choose the format."""
        return ["-f", "-F", "dsv", "-D", self.delimiter]

    def records(self, printed: str, kind: str) -> dict[str, Record]:
        """The records of a kind, "Job Id" or "Queue", by name."""
        # Split at line feeds only: str.splitlines also splits at characters that values may hold.
        lines = (line.split(self.delimiter) for line in printed.split("\n"))
        mark = f"{kind}: "
        return {head[len(mark) :]: _record(attributes) for head, *attributes in lines if head.startswith(mark)}


def shortened(printed: str, delimiter: str, most: int) -> str:
    """The same lines with at most `most` characters of each attribute: users choose the length of some."""
    lines = (line.split(delimiter) for line in printed.split("\n"))
    return "\n".join(delimiter.join(attribute[:most] for attribute in attributes) for attributes in lines)


def _record(attributes: list[str]) -> Record:
    parts = (attribute.partition("=") for attribute in attributes)
    return {name: value for name, _, value in parts}
