"""The access log: a line of JSON for each request, with the names of OpenTelemetry's conventions, no secrets."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from testinfra.host import Host

from support.fake_notebook import HERE, Browser, Start
from support.proxy_host import DOMAIN, SERVER, TESTINFRA_HOSTS

testinfra_hosts = TESTINFRA_HOSTS

NAME = "quiet-river-stone"
LINK = f"{NAME}.{DOMAIN}"
LOG = f"{SERVER.logs}/lightship-access.log"
KEYS = [
    *("time", "client.address", "server.address", "http.request.method", "url.path", "network.protocol.version"),
    *("http.response.status_code", "http.response.body.size", "http.server.request.duration", "user_agent.original"),
]


def lines(host: Host) -> list[dict[str, Any]]:
    """Return the entries of the log; each line must be one, but for what is being written after the last."""
    return [json.loads(line) for line in host.run(f"cat {LOG}").stdout.rpartition("\n")[0].splitlines()]


def entry(host: Host, path: str) -> dict[str, Any]:
    """Return the last entry for a path, which may take a moment."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        found = [line for line in lines(host) if line["url.path"] == path]
        if found:
            return found[-1]
        time.sleep(0.2)
    raise AssertionError(path)


def test_a_request_is_a_line_that_says_who_asked_what_and_how_it_went(
    host: Host, start: Start, browser: Browser
) -> None:
    start(NAME)
    browser.ask(LINK, "/log/one?token=SECRET", {"User-Agent": 'a "b" \\ c', "Referer": f"https://{LINK}/?token=SECRET"})
    found = entry(host, "/log/one")
    assert list(found) == KEYS
    assert time.strptime(found["time"][:19], "%Y-%m-%dT%H:%M:%S")
    assert 0 <= found["http.server.request.duration"] < 60
    assert {key: found[key] for key in KEYS if key not in {"time", "http.server.request.duration"}} == {
        "client.address": HERE,
        "server.address": LINK,
        "http.request.method": "GET",
        "url.path": "/log/one",
        "network.protocol.version": "1.1",
        "http.response.status_code": 200,
        "http.response.body.size": 8,
        "user_agent.original": 'a "b" \\ c',
    }
    assert "SECRET" not in host.check_output(f"cat {LOG}")


@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_an_error_page_counts_as_the_request_that_it_answers(host: Host, browser: Browser, method: str) -> None:
    path = f"/log/{method}"
    answer = browser.ask(DOMAIN, f"/jupyter{path}", method=method)
    found = entry(host, f"/jupyter{path}")
    assert found["http.request.method"] == method
    assert found["http.response.status_code"] == answer.status == 502
    assert found["http.response.body.size"] == len(answer.body)


@pytest.mark.parametrize(
    ("path", "logged"), [("/log/%22a%0ab%ff\\", "/log/%22a%0ab%ff\\"), ("/log/a%2Fb//c", "/log/a%2Fb//c")]
)
def test_a_path_is_written_as_it_was_sent(host: Host, start: Start, browser: Browser, path: str, logged: str) -> None:
    start(NAME)
    browser.ask(LINK, path)
    assert entry(host, logged)["server.address"] == LINK


def test_no_client_breaks_a_line(host: Host, browser: Browser) -> None:
    before = len(lines(host))
    for request in (
        b'GET /log/raw\xff\xc3\xa4\x01 HTTP/1.1\r\nHost: %b\r\nUser-Agent: \xff\x7f\xe2\x80\xa8"\r\n\r\n',
        b"G\xffT /log/method HTTP/1.1\r\nHost: %b\r\n\r\n",
        b"BREW /log/brew HTTP/1.1\r\nHost: %b\r\n\r\n",
        b"GET /log/version HTTP/7.3\r\nHost: %b\r\n\r\n",
        b'GET /log/host HTTP/1.1\r\nHost: "\xff.%b\r\n\r\n',
    ):
        with browser.connect(LINK) as connection:
            connection.sendall(request.replace(b"%b", LINK.encode()))
            connection.settimeout(5)
            connection.recv(65536)
    assert entry(host, "/log/brew")["http.request.method"] == "_OTHER"
    assert len(lines(host)) > before


def test_the_log_is_rotated_and_the_server_goes_on_in_the_new_one(host: Host, start: Start, browser: Browser) -> None:
    start(NAME)
    browser.ask(LINK, "/log/before")
    assert entry(host, "/log/before")
    host.check_output(f"logrotate --force $(grep -l '^{SERVER.logs}/' /etc/logrotate.d/*)")
    deadline = time.monotonic() + 30
    while host.run(f"grep -q /log/after {LOG}").rc and time.monotonic() < deadline:
        browser.ask(LINK, "/log/after")
        time.sleep(0.5)
    assert {line["url.path"] for line in lines(host)} == {"/log/after"}
    assert "/log/before" in host.check_output(f"cat {LOG}.1")
    assert host.check_output(f"find {SERVER.logs} -name '*lightship*' -perm /007") == ""
