from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser

import pytest
from sqlalchemy.exc import OperationalError

from lightship_registry.monitoring import check_report
from lightship_registry.monitoring.check_report import Report
from lightship_registry.store.reading import Reader
from unit.lightship_registry.dashboard_client import ask_dashboard
from unit.lightship_registry.testbed import Testbed


class Reading(HTMLParser):
    """The words of a page, and its elements with their attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words += [data.strip()] if data.strip() and self.lasttag != "style" else []

    @property
    def text(self) -> str:
        return " | ".join(self.words)


def test_it_shows_how_things_stand(testbed: Testbed) -> None:
    testbed.create("alice")
    testbed.clock.now += 7200
    testbed.claim(testbed.create("bob"))
    testbed.clock.now += 60
    read = Reading(ask_dashboard(testbed).text)
    assert "Cluster | waiting | starting | ready | demo | 1 | 1 | 0 | other | 0 | 0 | 0" in read.text
    assert "Oldest waiting, demo | 2 hours 1 minute" in read.text
    assert "Agents last heard | demo | 1 minute ago | other | never" in read.text
    assert re.search(r"links\.crt \| \d+ days left \| proxy\.crt \| \d+ days left \| client\.crt", read.text)
    assert "Last sweep | not since the service started" in read.text
    assert "None since the service started." in read.text


def test_what_the_doctor_found_is_shown_by_its_checks_alone(testbed: Testbed) -> None:
    assert "Last round | never" in Reading(ask_dashboard(testbed).text).text
    levels = {"disk": 2, "clock": 1, "store": 0}
    check_report.save(check_report.path_of(testbed.settings), Report(testbed.clock.now - 60, levels, 0.0))
    read = Reading(ask_dashboard(testbed).text)
    assert "Last round | 1 minute ago | clock | warning: | lightship doctor" in read.text
    assert "disk | wrong: | lightship doctor" in read.text
    assert "store | " not in read.text


def test_the_last_refusals_are_codes_without_addresses(testbed: Testbed) -> None:
    made = testbed.create("alice")
    testbed.job({**made, "secret": "0" * 64}, "claim")
    for _ in range(25):
        testbed.agent("POST", "/v1/links", {"user": "<b>alice</b>", "seconds": 1})
    page = ask_dashboard(testbed).text
    read = Reading(page)
    assert read.text.count("bad-request") == 20
    assert "create | bad-request | demo" in read.text
    assert "claim" not in read.text, "it was 26 refusals ago"
    for private in ("alice", "127.0.0.1", made["name"], "wrong secret"):
        assert private not in page
    testbed.job({**made, "secret": "0" * 64}, "claim")
    assert "claim | refused | unknown" in Reading(ask_dashboard(testbed).text).text


def test_it_needs_no_script_and_its_policy_allows_none(testbed: Testbed) -> None:
    answer = ask_dashboard(testbed)
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script" not in policy + answer.text
    assert "unsafe" not in policy
    (style,) = re.findall(r"<style>(.*?)</style>", answer.text, re.DOTALL)
    assert base64.b64encode(hashlib.sha256(style.encode()).digest()).decode() in policy
    assert answer.headers["cache-control"] == "no-store"
    read = Reading(answer.text)
    assert ("meta", {"http-equiv": "refresh", "content": "30"}) in read.elements
    assert not {"form", "a", "img", "link", "button"} & {tag for tag, _ in read.elements}
    assert not [key for _, attributes in read.elements for key in attributes if key.startswith("on") or key == "style"]


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:9464", "127.0.0.1:9464", "[::1]:9464"])
def test_this_host_may_ask_by_its_own_names(testbed: Testbed, host: str) -> None:
    for path in ("/", "/metrics"):
        assert ask_dashboard(testbed, path, host=host).status_code == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "localhost.evil.example", "127.0.0.1.nip.io:9464", "10.1.2.3", "", "localhost:1:2"],
)
def test_other_names_are_refused(testbed: Testbed, host: str) -> None:
    for path in ("/", "/metrics", "/else"):
        answer = ask_dashboard(testbed, path, host=host)
        assert answer.status_code == 403
        assert "demo" not in answer.text


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "BREW"])
def test_it_only_tells(testbed: Testbed, method: str) -> None:
    answer = ask_dashboard(testbed, "/metrics", method)
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")


def test_head_and_what_is_not_there(testbed: Testbed) -> None:
    assert ask_dashboard(testbed, "/", "HEAD").status_code == 200
    assert ask_dashboard(testbed, "/v1/links").status_code == 404


def test_it_says_when_the_store_and_the_certificates_cannot_be_read(
    testbed: Testbed, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(_: Reader) -> None:
        raise OperationalError("SELECT", {}, Exception("gone"))

    monkeypatch.setattr(Reader, "live", away)
    (testbed.settings.folders.state_dir / "authorities" / "links.crt").unlink()
    text = Reading(ask_dashboard(testbed).text).text
    assert "The store cannot be asked." in text
    assert "They cannot be read." in text


def test_the_pages_of_links_are_not_here_nor_this_there(testbed: Testbed) -> None:
    assert testbed.send("GET", "/metrics", headers={"Host": "localhost"}).status_code == 404
    assert testbed.send("GET", "/metrics").status_code == 404
    assert "How things stand" not in testbed.send("GET", "/", headers={"Host": "127.0.0.1"}).text
