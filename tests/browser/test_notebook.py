"""A headless Chromium that trusts the bed's authority opens a link, runs a cell and reads its output.

The browser finds the proxy the way the demo's reader does: every name under `localhost` is this machine's loopback,
where the proxy's port is published. No certificate error is ignored: the authority is put into an NSS database of the
browser's own, and a browser without it is shown to refuse.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Error, expect

from browser.window import chromium, trust
from support import bed

CODE = "import getpass; print(getpass.getuser(), 6 * 7)"


@pytest.fixture(scope="module")
def notebook() -> Iterator[bed.Notebook]:
    started = bed.start("alice", "-b slurm/jupyterlab.sh -t 10")
    yield started
    bed.stop(started)


def test_a_cell_runs_and_its_output_is_read(notebook: bed.Notebook, tmp_path: Path) -> None:
    trust(tmp_path)
    with chromium(tmp_path) as page:
        page.goto(notebook.url)
        page.goto(f"{notebook.origin}/lab?reset")
        page.locator('.jp-LauncherCard[data-category="Notebook"]').first.click(timeout=60_000)
        # A cell that is run before its kernel answers is not run at all.
        expect(page.get_by_text("Python 3 (ipykernel) | Idle")).to_be_visible(timeout=60_000)
        cell = page.locator(".jp-Cell .cm-content").first
        cell.click()
        page.keyboard.type(CODE)
        expect(cell).to_have_text(CODE)
        page.keyboard.press("Control+Enter")
        expect(page.locator(".jp-OutputArea-output").first).to_have_text("alice 42", timeout=60_000)
        page.screenshot(path=bed.STATE / "notebook.png")


def test_a_browser_without_the_authority_refuses(notebook: bed.Notebook, tmp_path: Path) -> None:
    with chromium(tmp_path) as page, pytest.raises(Error, match="ERR_CERT_AUTHORITY_INVALID"):
        page.goto(notebook.url)


def test_a_waiting_link_turns_into_the_next_page_by_itself(tmp_path: Path) -> None:
    trust(tmp_path)
    made = bed.agent("bob", op="create", seconds=600)
    with chromium(tmp_path) as page:
        page.goto(made["url"])
        waiting = page.title()
        page.screenshot(path=bed.STATE / "waiting.png")
        bed.agent("bob", op="cancel", name=made["name"], reason="test")
        expect(page).not_to_have_title(waiting, timeout=15_000)
        page.screenshot(path=bed.STATE / "ended.png")
