"""Whoever is asked for a notebook's token is asked by the registry's page; what programs are told stays as it was."""

from __future__ import annotations

import socket
from collections.abc import Mapping

import pytest

from support import fake_notebook
from support.fake_notebook import Browser, Start
from support.proxy_host import DOMAIN, TESTINFRA_HOSTS

testinfra_hosts = TESTINFRA_HOSTS

OK, FOUND, SEE_OTHER, FORBIDDEN = 200, 302, 303, 403
NAME = "quiet-river-stone"
LINK = f"{NAME}.{DOMAIN}"
TOKEN = "0123456789abcdef" * 2
ASKED = "/login?next=%2Flab%2Ftree%2Fa%2520b.ipynb%3Freset"
# As browsers say that a person goes there; the second is one of before 2023.
NAVIGATION = {**fake_notebook.NAVIGATION, "Sec-Fetch-Site": "none"}
OLD_NAVIGATION = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
FETCH = {"Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty", "Sec-Fetch-Site": "same-origin"}
# What a program of --app sets when its owner has come in.
OF_PROGRAM = {"Cookie": "a=b; __Host-lightship-app=" + "0" * 64}
# What a neighbour's page can set here: never a name that begins with __Host-.
OF_A_NEIGHBOUR = {"Cookie": "x__Host-lightship-app=1; y=a, __Host-lightship-app=1"}


def answering(start: Start, head: str) -> None:
    def answer(connection: socket.socket, _request: bytes) -> None:
        connection.sendall(f"HTTP/1.1 {head}\r\nContent-Length: 0\r\n\r\n".encode())

    start(NAME, handler=answer)


@pytest.mark.parametrize("way", [NAVIGATION, OLD_NAVIGATION, {**NAVIGATION, **OF_A_NEIGHBOUR}])
def test_a_person_whom_jupyter_asks_for_the_token_is_asked_by_our_page(
    start: Start, browser: Browser, way: Mapping[str, str]
) -> None:
    answering(start, f"302 Found\r\nLocation: {ASKED}")
    answer = browser.ask(LINK, "/lab", way)
    assert answer.status == FOUND
    assert answer.header("Location") == [ASKED.replace("/login?", "/.lightship/enter?")]
    assert answer.header("Set-Cookie") == []


@pytest.mark.parametrize("way", [FETCH, {"Accept": "*/*"}, {}, {**NAVIGATION, **OF_PROGRAM}])
def test_programs_and_pages_that_ask_are_answered_as_ever(
    start: Start, browser: Browser, way: Mapping[str, str]
) -> None:
    answering(start, f"302 Found\r\nLocation: {ASKED}")
    assert browser.ask(LINK, "/api/contents", way).header("Location") == [ASKED]


@pytest.mark.parametrize(
    "head",
    [
        "302 Found\r\nLocation: /accounts/login/?next=/",
        "302 Found\r\nLocation: https://login.example.org/login?next=%2Flab",
        "302 Found\r\nLocation: /login",
        "302 Found\r\nLocation: /lab/tree/login?next=x",
        "303 See Other\r\nLocation: /login?next=%2F",
        "200 OK\r\nLocation: /login?next=%2F",
    ],
)
def test_other_answers_stay_as_they_are(start: Start, browser: Browser, head: str) -> None:
    answering(start, head)
    answer = browser.ask(LINK, "/lab", NAVIGATION)
    assert answer.status == int(head[:3])
    assert answer.header("Location") == [head.split("Location: ")[1]]


@pytest.mark.parametrize("way", [NAVIGATION, OLD_NAVIGATION, {**NAVIGATION, "Sec-Fetch-Site": "cross-site"}])
def test_jupyters_login_page_is_ours(start: Start, browser: Browser, way: Mapping[str, str]) -> None:
    notebook = start(NAME)
    answer = browser.ask(LINK, ASKED, way)
    assert answer.status == SEE_OTHER
    assert answer.header("Location") == [ASKED.replace("/login?", "/.lightship/enter?")]
    assert not notebook.received


@pytest.mark.parametrize(
    ("method", "path", "way"),
    [
        ("GET", "/login", {**NAVIGATION, **OF_PROGRAM}),
        ("GET", "/login", FETCH),
        ("GET", "/login", {}),
        ("POST", "/login", {**NAVIGATION, "Origin": f"https://{LINK}"}),
        ("GET", "/login/oauth", NAVIGATION),
        ("GET", "/proxy/8080/login", NAVIGATION),
    ],
)
def test_a_programs_own_login_page_is_its_own(
    start: Start, browser: Browser, method: str, path: str, way: Mapping[str, str]
) -> None:
    notebook = start(NAME)
    assert browser.ask(LINK, path, way, method=method).status == OK
    assert b"".join(notebook.received).startswith(f"{method} {path} ".encode())


def test_where_nothing_runs_the_login_page_is_like_every_other(browser: Browser) -> None:
    answers = [browser.ask(LINK, path, NAVIGATION) for path in ("/login", "/lab", "/.lightship/enter")]
    assert len({(answer.status, answer.body) for answer in answers}) == 1


def test_whoever_signs_out_of_jupyter_is_no_longer_known_as_the_owner(start: Start, browser: Browser) -> None:
    jupyters = 'username-quiet-river-stone=""; expires=Thu, 01 Jan 2026 00:00:00 GMT; Path=/'
    answering(start, f"200 OK\r\nSet-Cookie: {jupyters}")
    forgotten = "__Host-lightship=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Lax"
    assert browser.ask(LINK, "/logout", NAVIGATION).header("Set-Cookie") == [jupyters, forgotten]
    assert browser.ask(LINK, "/lab", NAVIGATION).header("Set-Cookie") == [jupyters]


def test_a_programs_own_logout_page_forgets_nobody(start: Start, browser: Browser) -> None:
    answering(start, "200 OK\r\nSet-Cookie: session=; Max-Age=0")
    assert browser.ask(LINK, "/logout", NAVIGATION).header("Set-Cookie") == ["session=; Max-Age=0"]


@pytest.mark.parametrize("site", ["same-site", "cross-site"])
def test_a_page_elsewhere_cannot_send_the_form(browser: Browser, site: str) -> None:
    headers = {**NAVIGATION, "Sec-Fetch-Site": site, "Origin": f"https://other-link-here.{DOMAIN}"}
    body = f"token={TOKEN}".encode()
    assert browser.ask(LINK, "/.lightship/enter", headers, method="POST", body=body).status == FORBIDDEN
