"""Whatever a page shows can be read: on narrow screens, by day and night, with the keyboard and aloud."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from unit.lightship_registry.chromium.samples import (
    TAIL,
    address,
    ended,
    ending,
    gone,
    plain,
    queued,
    reachable,
    running,
    stopped,
)
from unit.lightship_registry.chromium.stand_in import CENTRE, ELSEWHERE, ELSEWHERES_PAGE, OWN, Tab
from unit.lightship_registry.testbed import DOMAIN, Testbed

# Every text with less contrast to what is behind it than WCAG 2 asks for at level AA.
FAINT = """() => {
  const channels = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
    .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = channels(getComputedStyle(at).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  const seen = [...document.body.querySelectorAll("*")].filter((element) => element.getClientRects().length &&
    [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim()));
  const faint = seen.map((element) => {
    const pair = [light(channels(getComputedStyle(element).color)), light(behind(element))].sort((a, b) => b - a);
    return [element.outerHTML.slice(0, 60), (pair[0] + 0.05) / (pair[1] + 0.05)];
  }).filter(([, ratio]) => ratio < 4.5);
  return [seen.length, faint];
}"""


@pytest.mark.parametrize("width", [320, 1280])
def test_a_line_of_the_log_stays_a_line(testbed: Testbed, tab: Tab, width: int) -> None:
    page = tab(viewport={"width": width, "height": 800})
    page.goto(address(testbed, ended(testbed)))
    region = page.get_by_role("region", name="Its last lines")
    wider, rows = region.evaluate(
        "element => [element.scrollWidth > element.clientWidth, element.firstChild.getBoundingClientRect().height /"
        " parseFloat(getComputedStyle(element).lineHeight)]"
    )
    assert wider
    assert round(rows) == len(TAIL.splitlines())


@pytest.mark.parametrize("width", [320, 375, 500, 620, 1280])
def test_a_command_in_a_sentence_does_not_break(testbed: Testbed, tab: Tab, width: int) -> None:
    page = tab(viewport={"width": width, "height": 800})
    landing(testbed, page)
    heights = page.locator("p > code").evaluate_all(
        "all => all.map((code) => Math.round(code.getBoundingClientRect().height / "
        "parseFloat(getComputedStyle(code).lineHeight)))"
    )
    assert heights == [1] * len(heights) != []


def test_after_the_time_was_over_a_longer_one_is_offered(testbed: Testbed, tab: Tab) -> None:
    page = tab()
    page.goto(address(testbed, stopped(testbed)))
    expect(page.locator("[data-command]")).to_have_text("start-jupyter -p gpu -t 120")


def test_the_command_is_copied(testbed: Testbed, tab: Tab) -> None:
    page = tab(permissions=["clipboard-read", "clipboard-write"])
    page.goto(address(testbed, ended(testbed)))
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_text("The command was copied.")).to_be_attached()
    assert page.evaluate("navigator.clipboard.readText()") == "start-jupyter -p gpu -t 60"


def landing(testbed: Testbed, page: Page) -> None:
    page.goto(f"https://{DOMAIN}:{testbed.settings.https_port}/")


def needs_token(testbed: Testbed, page: Page) -> None:
    made = queued(testbed)
    reachable(testbed, made)
    page.goto(f"{testbed.settings.origin(made['name'])}/lab?token={'f' * 32}")


def opened_from_elsewhere(testbed: Testbed, page: Page) -> None:
    made = running(testbed)
    page.goto(address(testbed, made, OWN))
    ELSEWHERES_PAGE[0] = f'<a id="go" href="{testbed.settings.origin(made["name"])}/.lightship/enter">go</a>'
    page.goto(testbed.settings.origin(ELSEWHERE))
    page.locator("#go").click()


@pytest.mark.parametrize("show", [landing, needs_token, opened_from_elsewhere])
def test_pages_of_no_link_in_particular_fit_and_are_easy_to_read_as_well(
    testbed: Testbed, tab: Tab, show: Callable[[Testbed, Page], None]
) -> None:
    for scheme in ("light", "dark"):
        page = tab(color_scheme=scheme, viewport={"width": 320, "height": 600})
        show(testbed, page)
        expect(page.get_by_role("link", name="Guide", exact=True)).to_have_attribute("href", CENTRE.guide_url)
        expect(page.get_by_role("link", name="Contact Example")).to_have_attribute("href", "mailto:help@example.org")
        texts, faint = page.evaluate(FAINT)
        assert texts > 3
        assert faint == []
        assert page.evaluate("document.documentElement.scrollWidth") == 320


@pytest.mark.parametrize("kind", [queued, running, ending, ended, plain, gone])
def test_it_fits_a_narrow_screen_and_is_easy_to_read_by_day_and_night(
    testbed: Testbed, tab: Tab, kind: Callable[[Testbed], dict[str, Any]]
) -> None:
    made = kind(testbed)
    for scheme in ("light", "dark"):
        page = tab(color_scheme=scheme, viewport={"width": 320, "height": 600})
        page.goto(address(testbed, made, OWN))
        for summary in page.locator("summary").all():
            summary.click()
        texts, faint = page.evaluate(FAINT)
        assert texts > 3
        assert faint == []
        assert page.evaluate("document.documentElement.scrollWidth") == 320
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") != (
            "rgb(255, 255, 255)" if scheme == "dark" else "rgb(16, 21, 28)"
        )


def test_headings_and_regions_have_names(testbed: Testbed, tab: Tab) -> None:
    page = tab()
    page.goto(address(testbed, ended(testbed)))
    assert page.locator("html").get_attribute("lang") == "en"
    levels = [int(tag[1]) for tag in re.findall(r"<(h\d)", page.content())]
    assert levels == [1, 2, 2]
    region = page.get_by_role("region", name="Its last lines")
    region.focus()
    expect(region).to_be_focused()
