"""How much one client may send and hold, and what it is told when that was too much."""

from __future__ import annotations

import contextlib
import html
import http.client
import re
import ssl
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from support.fake_notebook import HERE, Browser, Route, Start
from support.proxy_host import DOMAIN, TESTINFRA_HOSTS

testinfra_hosts = TESTINFRA_HOSTS

OK, SEE_OTHER, FORBIDDEN, NOT_ALLOWED, TOO_MANY, BAD_GATEWAY = 200, 303, 403, 405, 429, 502
BAD_REQUEST, NOT_FOUND, TOO_LARGE, ADDRESS_TOO_LONG, HEADERS_TOO_LONG = 400, 404, 413, 414, 431
NAME, OTHER = "quiet-river-stone", "other-link-here"
LINK = f"{NAME}.{DOMAIN}"
# As in the inventory.
CENTRE = [
    ("https://example.org/$guide?a=1&b=2;c#top", "Guide"),
    ("mailto:help@example.org", 'Contact Zürich "HPC" <b>$host</b>'),
]
# As in the inventory.
OF_ONE_LINK, OF_ONE_ADDRESS, SILENCE = 30, 50, 12


def links_below(page: str) -> list[tuple[str, ...]]:
    """Return the addresses and words of the links below a page of the web server's own."""
    nav = page.partition('<nav aria-label="Help">')[2]
    return [tuple(map(html.unescape, link)) for link in re.findall(r'<a href="([^"<>]*)">([^"<>]*)</a>', nav)]


def test_no_answer_of_a_notebook_leads_to_the_centre(browser: Browser, route: Route) -> None:
    route(NAME, f"https://{HERE}:1\\n")
    for method in ("GET", "POST"):
        answer = browser.ask(LINK, "/lab", method=method)
        assert answer.status == BAD_GATEWAY
        assert links_below(answer.body.decode()) == CENTRE
        assert answer.header("Content-Type") == ["text/html; charset=utf-8"]


def test_the_cookies_of_a_whole_domain_fit(start: Start, browser: Browser) -> None:
    notebook = start(NAME)
    for cookies in (16 * ["x" * 900], ["x" * 32_000]):
        cookie = "; ".join(f"c{number}={value}" for number, value in enumerate(cookies))
        assert browser.ask(LINK, "/lab", {"Cookie": cookie}).status == OK
        assert f"\r\nCookie: {cookie}\r\n".encode() in b"".join(notebook.received)
    assert browser.ask(LINK, f"/lab?{'x' * 20_000}").status == OK


@pytest.mark.parametrize("host", [LINK, DOMAIN])
@pytest.mark.parametrize(
    ("path", "headers", "status", "said"),
    [
        ("/lab", {"Cookie": "x" * 33_000}, HEADERS_TOO_LONG, b"delete the data of this site"),
        (f"/lab?{'x' * 33_000}", {}, ADDRESS_TOO_LONG, b"Delete all after the question mark"),
        ("/lab", {f"x{number}": "x" * 30_000 for number in range(5)}, HEADERS_TOO_LONG, b"private window"),
        ("/lab", {"Content-Length": "many"}, BAD_REQUEST, b"not valid HTTP"),
    ],
)
def test_what_cannot_be_read_gets_a_page_that_says_what_to_do(
    browser: Browser, host: str, path: str, headers: dict[str, str], status: int, said: bytes
) -> None:
    answer = browser.ask(host, path, headers)
    assert answer.status == status
    assert said in answer.body
    assert answer.header("Cache-Control") == ["no-store"]
    assert links_below(answer.body.decode()) == CENTRE


def test_a_notebook_that_closes_at_long_headers_gets_that_page_too(start: Start, browser: Browser) -> None:
    start(NAME, handler=lambda connection, _: connection.close())
    many = {f"x{number}": "x" * 25_000 for number in range(3)}
    assert browser.ask(LINK, "/lab", many).status == HEADERS_TOO_LONG
    assert browser.ask(LINK, "/lab").status == BAD_GATEWAY
    assert browser.ask(LINK, "/lab", method="POST", body=bytes(70_000)).status == BAD_GATEWAY


def test_the_owner_has_all_cookies_of_an_address_deleted_but_the_mark(
    start: Start, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http.client, "_MAXHEADERS", 1000)
    notebook = start(NAME)
    own = {"Origin": f"https://{LINK}", "Sec-Fetch-Site": "same-origin"}
    headers = {**own, "Cookie": f"a=1;b=2, c=3; __Host-lightship={'f' * 32}; a=4; _xsrf=2|x; flag"}
    answer = browser.ask(LINK, "/.lightship/forget-cookies", headers, method="POST")
    assert (answer.status, answer.header("Location")) == (SEE_OTHER, ["/.lightship/"])
    # "flag" is the value of a cookie without a name.
    expired = [
        f"{cookie}; Max-Age=0; Secure; Path={path}{domain}"
        for path in ("/", "/.lightship/", "/.lightship", "/.lightship/forget-cookies")
        for domain in ("", f"; Domain={DOMAIN}", f"; Domain={LINK}")
        for cookie in ("a=", "=x", "b=", "_xsrf=")
    ]
    assert answer.header("Set-Cookie") == expired
    none = browser.ask(LINK, "/.lightship/forget-cookies", own, method="POST")
    assert (none.status, none.header("Set-Cookie")) == (SEE_OTHER, [])
    many = {**own, "Cookie": "; ".join(f"c{number}=x" for number in range(2000))}
    assert len(browser.ask(LINK, "/.lightship/forget-cookies", many, method="POST").header("Set-Cookie")) <= 600
    # A neighbour's long names must not make an answer that browsers do not take.
    wide = {**own, "Cookie": "; ".join(f"c{number}{'n' * 3_000}=x" for number in range(10))}
    lines = browser.ask(LINK, "/.lightship/forget-cookies", wide, method="POST").header("Set-Cookie")
    assert 100_000 < sum(map(len, lines)) < 150_000
    assert not notebook.received


@pytest.mark.parametrize(
    "headers", [{}, {"Origin": f"https://{OTHER}.{DOMAIN}"}, {"Origin": "null"}, {"Sec-Fetch-Site": "same-site"}]
)
def test_nobody_else_has_them_deleted(browser: Browser, headers: dict[str, str]) -> None:
    path, sent = "/.lightship/forget-cookies", {"Cookie": "a=1", **headers}
    answer = browser.ask(LINK, path, sent, method="POST")
    assert (answer.status, answer.header("Set-Cookie")) == (FORBIDDEN, [])
    assert browser.ask(LINK, path, sent).status == NOT_ALLOWED


def test_one_link_and_one_address_hold_only_so_many_requests(start: Start, browser: Browser) -> None:
    for name in (NAME, OTHER):
        start(name, handler=lambda *_: None)

    def holds(name: str) -> str:
        connection = opened.enter_context(browser.connect(f"{name}.{DOMAIN}"))
        connection.sendall(f"GET /slow HTTP/1.1\r\nHost: {name}.{DOMAIN}\r\n\r\n".encode())
        connection.settimeout(0.05)
        try:
            return connection.recv(12).decode()
        except TimeoutError:
            return ""

    with contextlib.ExitStack() as opened:
        # Answered is only what is refused.
        assert {holds(NAME) for _ in range(OF_ONE_LINK)} == {""}
        refused = browser.ask(LINK, "/lab")
        assert (refused.status, refused.header("Retry-After")) == (TOO_MANY, ["1"])
        assert links_below(refused.body.decode()) == CENTRE
        assert {holds(OTHER) for _ in range(OF_ONE_ADDRESS - OF_ONE_LINK)} == {""}
        assert browser.ask(f"{OTHER}.{DOMAIN}", "/lab").status == TOO_MANY
    # A server counts a client that has gone for as long as it waits for the notebook, at most.
    end = time.monotonic() + SILENCE + 10
    while browser.ask(f"nobody-made-this.{DOMAIN}").status == TOO_MANY:
        assert time.monotonic() < end, "requests whose clients have gone still count"
        time.sleep(0.5)


def test_who_guesses_names_is_slowed_down_and_nobody_else(start: Start, browser: Browser) -> None:
    start(NAME)
    guesses = [f"nobody-was-{word}.{DOMAIN}" for word in 50 * ["here", "there", "where", "near", "far", "away"]]
    with ThreadPoolExecutor(8) as several:
        statuses = {answer.status for answer in several.map(browser.ask, guesses)}
    assert statuses == {NOT_FOUND, TOO_MANY}
    # The same address still gets a notebook, its owner's page, and the service's own.
    assert browser.ask(LINK, "/lab").status == OK
    assert browser.ask(LINK, "/.lightship/").status == NOT_FOUND
    assert browser.ask(DOMAIN).status != TOO_MANY
    deadline = time.monotonic() + 30
    while (answer := browser.ask(f"nobody-was-here.{DOMAIN}")).status == TOO_MANY and time.monotonic() < deadline:
        time.sleep(0.5)
    assert answer.status == NOT_FOUND


def test_a_form_that_is_too_large_gets_a_page_that_says_so(start: Start, browser: Browser) -> None:
    notebook = start(NAME)
    own = {"Origin": f"https://{LINK}", "Sec-Fetch-Site": "same-origin"}
    answer = browser.ask(LINK, "/.lightship/enter", own, method="POST", body=bytes(100_000))
    assert answer.status == TOO_LARGE
    assert b"refused" in answer.body
    assert links_below(answer.body.decode()) == CENTRE
    assert not notebook.received


@pytest.mark.parametrize(("curve", "accepted"), [("prime256v1", True), ("secp384r1", True), ("secp521r1", False)])
def test_keys_are_exchanged_as_mozilla_recommends(browser: Browser, curve: str, accepted: bool) -> None:
    trust = "".join(map(ssl.DER_cert_to_PEM_cert, browser.trust.get_ca_certs(binary_form=True)))
    context = ssl.create_default_context(cadata=trust)
    context.set_ecdh_curve(curve)
    with contextlib.nullcontext() if accepted else pytest.raises(ssl.SSLError):
        Browser(context).connect(LINK).close()


def test_a_notebook_decides_about_its_own_windows_and_none_leaves_them_open(start: Start, browser: Browser) -> None:
    start(NAME)
    assert browser.ask(LINK).header("Cross-Origin-Opener-Policy") == ["same-origin-allow-popups"]
    for name in (DOMAIN, f"nobody-made-this.{DOMAIN}"):
        assert browser.ask(name).header("Cross-Origin-Opener-Policy") == ["same-origin-allow-popups"]
    isolated = b"HTTP/1.1 200 OK\r\nCross-Origin-Opener-Policy: same-origin\r\nContent-Length: 0\r\n\r\n"
    start(OTHER, handler=lambda connection, _: connection.sendall(isolated))
    assert browser.ask(f"{OTHER}.{DOMAIN}").header("Cross-Origin-Opener-Policy") == ["same-origin"]
