"""How people get into a notebook without the whole link: real Jupyter, real nginx, headless Chromium."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from browser.window import chromium, trust
from support import bed

QUESTION = "This address needs its token"
SECONDS = 30_000


@pytest.fixture(scope="module")
def notebook() -> Iterator[bed.Notebook]:
    started = bed.start("alice", "-b slurm/jupyterlab.sh -t 10")
    yield started
    bed.stop(started)


def leave(page: Page) -> None:
    """Leave JupyterLab when it asks nothing any more: an answer that is under way would sign the browser in again."""
    page.wait_for_load_state("networkidle")
    page.goto("about:blank")


def forget(page: Page, name: str) -> None:
    """Leave, and take the cookies whose name begins so from the browser."""
    leave(page)
    kept = [cookie for cookie in page.context.cookies() if not cookie["name"].startswith(name)]
    page.context.clear_cookies()
    page.context.add_cookies(kept)  # type: ignore[arg-type]


def in_jupyter(page: Page, path: str) -> None:
    expect(page).to_have_title("JupyterLab", timeout=SECONDS)
    assert path in page.url
    # By Jupyter's own cookie: the token was needed once.
    assert page.evaluate("fetch('/api/contents').then((answer) => answer.status)") == 200


def test_without_the_token_a_person_is_asked_for_it_and_then_let_in(notebook: bed.Notebook, tmp_path: Path) -> None:
    trust(tmp_path)
    with chromium(tmp_path) as page:
        for path in ("/", "/lab/tree/x%20y.txt?reset", "/login", "/tree"):
            page.goto(f"{notebook.origin}{path}")
            expect(page.get_by_role("heading", level=1)).to_have_text(QUESTION)
        page.goto(f"{notebook.origin}/.lightship/")
        expect(page.get_by_role("heading", level=1)).to_have_text(QUESTION)
        page.goto(f"{notebook.origin}/lab?token={'f' * 32}")
        expect(page.get_by_role("alert")).to_contain_text("not the token")
        page.goto(f"{notebook.origin}/lab/tree/nowhere")
        page.get_by_label("Token").fill("f" * 32)
        page.keyboard.press("Enter")
        expect(page.get_by_role("alert")).to_contain_text("not the token")
        page.get_by_label("Token").fill(f" {notebook.url} ")
        page.keyboard.press("Enter")
        in_jupyter(page, "/lab/tree/nowhere")


def test_an_owner_whom_the_cookie_knows_is_let_in_and_after_a_logout_she_is_asked(
    notebook: bed.Notebook, tmp_path: Path
) -> None:
    trust(tmp_path)
    with chromium(tmp_path) as page:
        page.goto(notebook.url)
        in_jupyter(page, "/lab")
        forget(page, "username-")
        page.goto(f"{notebook.origin}/lab/tree/some%20where?x=1")
        in_jupyter(page, "/lab/tree/some%20where")
        forget(page, "username-")
        page.goto(f"{notebook.origin}/.lightship/")
        page.get_by_role("link", name="Open the notebook").click()
        in_jupyter(page, "/lab")
        leave(page)
        page.goto(f"{notebook.origin}/logout")
        page.goto(f"{notebook.origin}/lab")
        expect(page.get_by_role("heading", level=1)).to_have_text(QUESTION)
        log = bed.run("proxy", "tail -n 200 /var/log/nginx/lightship-access.log").stdout
        assert "/.lightship/enter" in log
        assert notebook.token not in log


def test_the_running_page_says_where_its_notebook_runs(notebook: bed.Notebook, tmp_path: Path) -> None:
    trust(tmp_path)
    with chromium(tmp_path) as page:
        page.goto(f"{notebook.origin}/.lightship/?token={notebook.token}")
        told = page.locator("dl").inner_text()
        for text in ("demo", "node", "compute", "/home/alice", f"start-jupyter stop {notebook.name}"):
            assert text in told


def test_the_root_of_the_domain_says_how_to_start(tmp_path: Path) -> None:
    trust(tmp_path)
    with chromium(tmp_path) as page:
        answer = page.goto(f"https://{bed.DOMAIN}:{bed.PORT}/")
        assert answer
        assert answer.status == 200
        expect(page.get_by_role("region", name="Log in to your cluster and run")).to_have_text("start-jupyter")
