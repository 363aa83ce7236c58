"""What all scenarios' tests share: a failure is told at once, and at the end the hosts' own words, once."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from support import bed, clusters

HOSTS = ("proxy", "proxy12", "proxy13", *clusters.here().hosts)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Tell of a failure when it happens: the whole of it comes after the last test, and a run may be stopped before."""
    report = yield
    if report.failed and call.excinfo:
        why = call.excinfo.exconly(tryshort=True).splitlines()[0]
        item.config.get_terminal_writer().line(f"\nFAILED at its {report.when}: {item.nodeid}: {why}")
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the end of each host's journal after a run that had failures."""
    if not terminalreporter.stats.get("failed") and not terminalreporter.stats.get("error"):
        return
    for host in HOSTS:
        journal = bed.run(host, "journalctl --quiet --no-pager --priority=notice --lines=40", check=False)
        terminalreporter.write_sep("=", f"journal of {host}")
        terminalreporter.write_line(journal.stdout or journal.stderr)
