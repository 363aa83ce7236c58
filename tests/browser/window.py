"""A headless Chromium with a trust store of its own."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Error, Page, sync_playwright

from support import bed
from support.chromium import FLAGS, PROGRAM


@contextmanager
def chromium(home: Path, *flags: str) -> Iterator[Page]:
    """Yield a page of a new browser whose trust store and profile live in `home`, started with more flags."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch_persistent_context(
            home / "profile",
            executable_path=PROGRAM,
            args=[*FLAGS, "--disable-quic", *flags],
            env={"HOME": str(home)},
            headless=True,
        )
        page = browser.new_page()
        try:
            yield page
        except (AssertionError, Error):
            page.screenshot(path=bed.STATE / "failed.png")
            raise
        finally:
            browser.close()


def trust(home: Path, authority: Path = bed.AUTHORITY) -> None:
    """Put an authority, by default the bed's, into Chromium's trust store."""
    trust_in(home / ".pki" / "nssdb", authority)


def trust_in(store: Path, authority: Path = bed.AUTHORITY) -> None:
    """Put an authority, by default the bed's, into a new trust store."""
    store.mkdir(parents=True)
    subprocess.run(["certutil", "-d", f"sql:{store}", "-N", "--empty-password"], check=True)
    subprocess.run(["certutil", "-d", f"sql:{store}", "-A", "-t", "C,,", "-n", "bed", "-i", str(authority)], check=True)
