"""Ways from the pages into the notebook: for its owner, and for nobody else."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from unit.lightship_registry.chromium.samples import address, queued, reachable, running
from unit.lightship_registry.chromium.stand_in import ELSEWHERE, ELSEWHERES_PAGE, ENTERED, OWN, Tab
from unit.lightship_registry.testbed import TOKEN, Testbed

WAYS_AHEAD = {"frame", "image", "prefetch", "fetch"}


def test_the_way_to_the_notebook_keeps_the_token_that_its_owner_came_with(testbed: Testbed, tab: Tab) -> None:
    made = running(testbed)
    page = tab()
    page.goto(address(testbed, made, OWN))
    # What runs at the same address could read it in the browser's history.
    assert "token" not in page.evaluate(
        "location.href + JSON.stringify(navigation.entries().map((entry) => entry.url))"
    )
    page.get_by_role("link", name="Open the notebook").click()
    page.wait_for_url(address(testbed, made, "/"))
    page.goto(f"{testbed.settings.origin(made['name'])}{OWN}")
    assert page.get_by_role("link", name="Open the notebook").evaluate("link => link.search") == ""


@pytest.mark.parametrize("script", [True, False])
def test_an_owner_whom_the_cookie_alone_knows_is_let_in_from_the_waiting_page(
    testbed: Testbed, tab: Tab, script: bool
) -> None:
    made = queued(testbed)
    testbed.change(made, state="starting")
    page = tab(java_script_enabled=script)
    page.goto(address(testbed, made, OWN))
    origin = testbed.settings.origin(made["name"])
    page.goto(f"{origin}/lab/tree/a%20b?reset=1")
    expect(page.get_by_role("heading", level=1)).to_have_text("Your notebook is starting")
    reachable(testbed, made)
    expect(page).to_have_title("The notebook")
    assert page.url == f"{origin}/lab/tree/a%20b?reset=1&token={TOKEN}"


@pytest.mark.parametrize("script", [True, False])
def test_an_owner_whom_the_cookie_alone_knows_opens_the_notebook_from_its_page(
    testbed: Testbed, tab: Tab, script: bool
) -> None:
    made = running(testbed)
    page = tab(java_script_enabled=script)
    origin = testbed.settings.origin(made["name"])
    page.goto(address(testbed, made, OWN))
    reachable(testbed, made)
    page.goto(f"{origin}{OWN}")
    page.get_by_role("link", name="Open the notebook").click()
    expect(page).to_have_title("The notebook")
    assert page.url == f"{origin}/?token={TOKEN}"


LEADS = {
    "a link": '<a id="go" href="{}">go</a>',
    "a window": "<button id=\"go\" onclick=\"window.open('{}', '_self')\">go</button>",
    "a redirect": '<button id="go" onclick="location = \'{}\'">go</button>',
    "a form": '<form action="{}"><button id="go">go</button></form>',
}


@pytest.mark.parametrize("way", LEADS)
def test_a_page_elsewhere_that_leads_there_opens_nothing_before_the_owner_does(
    testbed: Testbed, tab: Tab, way: str
) -> None:
    made = running(testbed)
    page = tab()
    page.goto(address(testbed, made, OWN))
    reachable(testbed, made)
    origin = testbed.settings.origin(made["name"])
    ELSEWHERES_PAGE[0] = LEADS[way].format(f"{origin}/.lightship/enter?next=%2Flab")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(testbed.settings.origin(ELSEWHERE))
    page.locator("#go").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Open your notebook?")
    assert not any("token" in url for url in asked)
    page.get_by_role("link", name="Open the notebook").click()
    expect(page).to_have_title("The notebook")


AHEAD = (
    '<iframe src="{0}?frame"></iframe><img src="{0}?image"><link rel="prefetch" href="{0}?prefetch">'
    '<script>fetch("{0}?fetch", {{mode: "no-cors", credentials: "include"}}).catch(() => 0)</script>'
)


def test_what_a_page_elsewhere_loads_without_its_reader_never_gets_the_token(
    testbed: Testbed, tab: Tab, complaints: list[str]
) -> None:
    made = running(testbed)
    page = tab()
    page.goto(address(testbed, made, OWN))
    reachable(testbed, made)
    ELSEWHERES_PAGE[0] = AHEAD.format(f"{testbed.settings.origin(made['name'])}/.lightship/enter")
    ENTERED.clear()
    page.goto(testbed.settings.origin(ELSEWHERE))
    for _ in range(50):
        if len(ENTERED) >= len(WAYS_AHEAD):
            break
        page.wait_for_timeout(100)
    assert set(ENTERED) == WAYS_AHEAD
    assert not any(ENTERED.values())
    # The browser says of a frame and a script of that page that they were refused, which they should be.
    complaints.clear()


def test_whoever_has_no_token_is_asked_for_it_and_then_let_in(testbed: Testbed, tab: Tab) -> None:
    made = queued(testbed)
    reachable(testbed, made)
    page = tab(java_script_enabled=False)
    origin = testbed.settings.origin(made["name"])
    page.goto(f"{origin}/lab/tree/x")
    expect(page.get_by_role("heading", level=1)).to_have_text("This address needs its token")
    expect(page.get_by_role("alert")).to_have_count(0)
    page.get_by_label("Token").fill("f" * 32)
    page.get_by_role("button", name="Open").click()
    expect(page.get_by_role("alert")).to_contain_text("That is not the token of this address")
    page.get_by_label("Token").fill(f"{origin}?token={TOKEN}")
    page.keyboard.press("Enter")
    expect(page).to_have_title("The notebook")
    assert page.url == f"{origin}/lab/tree/x?token={TOKEN}"


def test_after_an_old_link_with_a_wrong_token_it_says_so(testbed: Testbed, tab: Tab) -> None:
    made = queued(testbed)
    reachable(testbed, made)
    page = tab()
    page.goto(f"{testbed.settings.origin(made['name'])}/lab?token={'f' * 32}")
    expect(page.get_by_role("alert")).to_contain_text("That is not the token of this address")
