"""The waiting room and the page of a running notebook, as they change before a reader's eyes."""

from __future__ import annotations

import datetime as dt
import re

from playwright.sync_api import expect

from unit.lightship_registry.chromium.samples import address, queued, running
from unit.lightship_registry.chromium.stand_in import OWN, Tab
from unit.lightship_registry.testbed import Testbed


def test_a_change_arrives_without_a_reload_and_the_end_brings_the_ended_page(testbed: Testbed, tab: Tab) -> None:
    made = queued(testbed)
    page = tab(timezone_id="Asia/Tokyo", locale="en-GB")
    page.goto(address(testbed, made))
    expect(page.get_by_text("All nodes are busy")).to_be_visible()
    page.evaluate("window.stayed = true")
    testbed.change(made, job_state="running", job_reason="<img src=x>")
    expect(page.get_by_role("heading", level=1)).to_have_text("Your notebook is starting")
    expect(page).to_have_title("Your notebook is starting")
    expect(page.locator('[aria-current="step"]')).to_contain_text("Notebook starts")
    expect(page.get_by_text("Why it waits")).to_be_hidden()
    testbed.change(made, job_state="held", job_reason="<img src=x>")
    expect(page.get_by_text("<img src=x>")).to_be_visible()
    assert page.evaluate("window.stayed")
    testbed.change(made, state="ended", cause="revoked", ended_at=testbed.clock())
    expect(page.get_by_role("heading", level=1)).to_have_text("This link was revoked")


def test_times_are_the_readers_own(testbed: Testbed, tab: Tab) -> None:
    made = queued(testbed)
    page = tab(timezone_id="Asia/Tokyo", locale="en-GB")
    page.goto(address(testbed, made))
    start = dt.datetime.fromtimestamp(testbed.clock() + 1500, dt.timezone(dt.timedelta(hours=9)))
    expect(page.locator("time")).to_contain_text(f"{start.hour}:{start:%M}")
    expect(page.locator("dl")).to_contain_text("in 25 minutes")


def test_without_javascript_it_is_readable_and_refreshes(testbed: Testbed, tab: Tab) -> None:
    made = queued(testbed)
    testbed.change(made, state="starting")
    page = tab(java_script_enabled=False)
    page.goto(address(testbed, made))
    expect(page.get_by_role("heading", level=1)).to_have_text("Your notebook is starting")
    expect(page.get_by_text("4711").first).to_be_visible()
    testbed.change(made, state="ended", cause="node-failed", ended_at=testbed.clock())
    expect(page.get_by_role("heading", level=1)).to_have_text("This notebook's node failed")
    expect(page.get_by_role("button", name="Copy")).to_be_hidden()


def test_the_keyboard_alone_cancels(testbed: Testbed, tab: Tab) -> None:
    made = queued(testbed)
    page = tab()
    page.goto(address(testbed, made))
    for name in ("Notify me when it is ready", "Cancel this notebook"):
        page.keyboard.press("Tab")
        expect(page.get_by_text(name)).to_be_focused()
        assert page.evaluate("parseFloat(getComputedStyle(document.activeElement).outlineWidth)") >= 2
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Cancel it now")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("You cancelled this notebook")
    assert page.url == f"{testbed.settings.origin(made['name'])}/"
    link = testbed.store.find(made["name"])
    assert link
    assert link.reason == "Cancelled on its page."


def test_a_running_notebooks_page_warns_without_a_reload_and_in_the_readers_own_time(
    testbed: Testbed, tab: Tab
) -> None:
    made = running(testbed)
    page = tab(timezone_id="Asia/Tokyo", locale="en-GB")
    page.goto(address(testbed, made, OWN))
    expect(page.get_by_role("heading", level=1)).to_have_text("Your notebook is running")
    expect(page).to_have_title("Your notebook is running")
    expect(page.locator("dl")).to_contain_text("19 minutes, until")
    page.evaluate("window.stayed = true")
    end = testbed.clock() + 299
    testbed.change(made, expires_at=end)
    clock = dt.datetime.fromtimestamp(end, dt.timezone(dt.timedelta(hours=9)))
    sentence = f"This notebook ends in 4 min, at {clock.hour}:{clock:%M}: save your work"
    expect(page.get_by_role("alert")).to_have_text(sentence)
    expect(page.get_by_role("heading", level=1)).to_have_text(sentence)
    expect(page).to_have_title(sentence)
    assert page.evaluate("window.stayed")


def test_the_keyboard_alone_ends_a_running_notebook(testbed: Testbed, tab: Tab) -> None:
    made = running(testbed)
    page = tab()
    page.goto(address(testbed, made, OWN))
    for name in ("Open the notebook", "Notify me five minutes before its end", "End this notebook"):
        page.keyboard.press("Tab")
        expect(page.get_by_text(name)).to_be_focused()
        assert page.evaluate("parseFloat(getComputedStyle(document.activeElement).outlineWidth)") >= 2
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="End it now")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("You ended this notebook")


def test_the_end_of_a_running_notebook_brings_the_ended_page(testbed: Testbed, tab: Tab) -> None:
    made = running(testbed)
    page = tab()
    page.goto(address(testbed, made, OWN))
    expect(page.get_by_role("heading", level=1)).to_have_text("Your notebook is running")
    testbed.change(made, state="ended", cause="time-limit", ended_at=testbed.clock())
    expect(page.get_by_role("heading", level=1)).to_have_text("This notebook's time was up")


def test_a_waiting_room_at_the_pages_own_path_opens_the_notebook(testbed: Testbed, tab: Tab) -> None:
    made = queued(testbed)
    page = tab()
    page.goto(address(testbed, made, OWN))
    expect(page.get_by_text("All nodes are busy")).to_be_visible()
    testbed.change(made, state="ready", target="https://127.0.0.1:1")
    page.wait_for_url(address(testbed, made, "/"))


def test_without_javascript_a_running_notebooks_page_reads_the_same(testbed: Testbed, tab: Tab) -> None:
    made = running(testbed)
    page = tab(java_script_enabled=False)
    page.goto(address(testbed, made, OWN))
    expect(page.get_by_role("heading", level=1)).to_have_text("Your notebook is running")
    testbed.change(made, expires_at=testbed.clock() + 200)
    warning = re.compile(r"This notebook ends in 3 min, at \d\d:\d\d UTC: save your work")
    expect(page.get_by_role("heading", level=1)).to_have_text(warning)
    expect(page).to_have_title(warning)
    # Without JavaScript the page loads itself again, and closes what was opened: both clicks come right after that.
    page.wait_for_event("load")
    page.get_by_text("End this notebook").click()
    page.get_by_role("button", name="End it now").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("You ended this notebook")
