"""What all scenarios' tests share: when one fails, the hosts' own words are shown, once."""

from __future__ import annotations

import pytest

from support import bed, clusters

HOSTS = ("proxy", "proxy13", *clusters.here().hosts)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the end of each host's journal after a run that had failures."""
    if not terminalreporter.stats.get("failed") and not terminalreporter.stats.get("error"):
        return
    for host in HOSTS:
        journal = bed.run(host, "journalctl --quiet --no-pager --priority=notice --lines=40", check=False)
        terminalreporter.write_sep("=", f"journal of {host}")
        terminalreporter.write_line(journal.stdout or journal.stderr)
