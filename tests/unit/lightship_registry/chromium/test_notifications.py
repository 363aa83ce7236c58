"""Notifications, for readers who ask for them."""

from __future__ import annotations

from playwright.sync_api import expect

from unit.lightship_registry.chromium.samples import address, queued, reachable, running
from unit.lightship_registry.chromium.stand_in import OWN, Tab
from unit.lightship_registry.testbed import Testbed

# Playwright's browser has no notifications of its own: this one is asked and told as a browser's would be.
NOTIFICATIONS = """
window.sent = [];
window.Notification = class {
  static permission = "default";
  static requestPermission() { Notification.permission = "ANSWER"; return Promise.resolve("ANSWER"); }
  constructor(title) { window.sent.push(title); }
  close() {}
};
Object.defineProperty(document, "hidden", { get: () => Boolean(window.away) });
"""


def test_a_reader_who_asked_is_notified_when_the_notebook_is_ready_and_finds_it_when_back(
    testbed: Testbed, tab: Tab
) -> None:
    made = queued(testbed)
    page = tab()
    page.add_init_script(NOTIFICATIONS.replace("ANSWER", "granted"))
    page.goto(address(testbed, made))
    assert page.evaluate("Notification.permission") == "default", "nobody is asked before the button is pressed"
    page.get_by_role("button", name="Notify me when it is ready").click()
    expect(page.get_by_text("You will be notified when it is ready")).to_be_visible()
    page.evaluate("window.away = true")
    reachable(testbed, made)
    expect(page).to_have_title("Your notebook is ready")
    assert page.evaluate("window.sent") == ["Your notebook is ready"]
    page.evaluate("window.away = false; document.dispatchEvent(new Event('visibilitychange'))")
    expect(page).to_have_title("The notebook")


def test_a_reader_who_asked_is_notified_five_minutes_before_the_end_and_once(testbed: Testbed, tab: Tab) -> None:
    made = running(testbed)
    page = tab()
    page.add_init_script(NOTIFICATIONS.replace("ANSWER", "granted"))
    page.goto(address(testbed, made, OWN))
    page.get_by_role("button", name="Notify me five minutes before its end").click()
    for left in (299, 200):
        testbed.change(made, expires_at=testbed.clock() + left)
        expect(page.get_by_role("alert")).to_contain_text(f"ends in {left // 60} min")
    (said,) = page.evaluate("window.sent")
    assert said.startswith("This notebook ends in 4 min, at ")


def test_a_reader_whose_browser_says_no_is_told_so_and_goes_on(testbed: Testbed, tab: Tab) -> None:
    made = queued(testbed)
    page = tab()
    page.add_init_script(NOTIFICATIONS.replace("ANSWER", "denied"))
    page.goto(address(testbed, made))
    page.get_by_role("button", name="Notify me when it is ready").click()
    expect(page.get_by_text("Your browser does not allow notifications from this page.")).to_be_visible()
    page.evaluate("window.away = true")
    reachable(testbed, made)
    expect(page).to_have_title("The notebook")
