"""Every link is a neighbour of every other one, and each neighbour may be a stranger."""

from __future__ import annotations

import http.client

import pytest
from testinfra.host import Host

from support.fake_notebook import FOREIGN_REQUESTS, NAVIGATION, UPGRADE, Browser, Start, echo
from support.proxy_host import DOMAIN, SERVER, TESTINFRA_HOSTS

testinfra_hosts = TESTINFRA_HOSTS

OK, SWITCHING, FORBIDDEN, NOT_FOUND, NOT_ALLOWED = 200, 101, 403, 404, 405
LINK = f"quiet-river-stone.{DOMAIN}"
COOKIES = [
    f"a=1; Path=/; Domain={DOMAIN}; HttpOnly",
    f"b=2;domain={DOMAIN}",
    f"c=3; \tDOMAIN \t= .{DOMAIN}; Secure",
    f"d=4; Domain=x; Domain={DOMAIN}",
    "e=5; Domain",
    "Domain=6; Path=/",
]


def upgrade(browser: Browser, origin: str, more: dict[str, str] | None = None) -> int:
    """Ask for a WebSocket and return the status."""
    headers = {**UPGRADE, **({"Origin": origin} if origin else {}), **(more or {})}
    return browser.ask(LINK, "/api/kernels/1/channels", headers).status


def test_a_page_of_the_notebook_opens_a_websocket(start: Start, browser: Browser) -> None:
    start("quiet-river-stone", handler=echo)
    with browser.websocket(LINK) as connection:
        for word in (b"one", b"two"):
            connection.sendall(word)
            assert connection.recv(4096) == word * 2


@pytest.mark.parametrize(
    "origin",
    [
        "",
        "null",
        f"https://mallory-was-here.{DOMAIN}",
        f"http://{LINK}",
        f"https://{LINK}:8443",
        f"https://{LINK}.evil.test",
    ],
)
def test_another_page_opens_none(start: Start, browser: Browser, origin: str) -> None:
    notebook = start("quiet-river-stone", handler=echo)
    assert upgrade(browser, origin) == FORBIDDEN
    assert not notebook.received


@pytest.mark.parametrize(
    ("authorization", "status"),
    [
        ("token 0123456789abcdef", SWITCHING),
        ("Bearer 0123456789abcdef", SWITCHING),
        # What a browser may have kept for this host, and what names no token.
        ("Basic YTpi", FORBIDDEN),
        ("token ", FORBIDDEN),
        ("token", FORBIDDEN),
        ("xtoken 0123", FORBIDDEN),
    ],
)
def test_a_program_that_has_no_page_opens_one_by_its_token(
    start: Start, browser: Browser, authorization: str, status: int
) -> None:
    start("quiet-river-stone", handler=echo)
    assert upgrade(browser, "", {"Authorization": authorization}) == status


def test_a_program_opens_one_by_the_token_in_the_address(start: Start, browser: Browser) -> None:
    start("quiet-river-stone", handler=echo)
    token = "0123456789abcdef" * 2
    for query in (f"?token={token}", f"?session_id=a&token={token}"):
        assert browser.ask(LINK, f"/api/kernels/1/channels{query}", UPGRADE).status == SWITCHING
    # What a page of another address can have as well, or what is no notebook's token.
    for query in ("", "?token=", f"?token={token[1:]}", f"?token={token.upper()}", f"?mytoken={token}"):
        assert browser.ask(LINK, f"/api/kernels/1/channels{query}", UPGRADE).status == FORBIDDEN


def test_a_token_makes_no_other_page_the_notebooks_own(start: Start, browser: Browser) -> None:
    notebook = start("quiet-river-stone", handler=echo)
    for origin in ("null", f"https://mallory-was-here.{DOMAIN}"):
        assert upgrade(browser, origin, {"Authorization": "token 0123456789abcdef"}) == FORBIDDEN
        path, headers = f"/api/kernels/1/channels?token={'f' * 32}", {**UPGRADE, "Origin": origin}
        assert browser.ask(LINK, path, headers).status == FORBIDDEN
    assert not notebook.received


def test_a_websocket_to_a_dead_name_is_refused_at_once(browser: Browser, host: Host) -> None:
    # Stopped, so that an answer can only be the web server's own.
    host.check_output("systemctl kill --signal=STOP lightship-registry")
    try:
        assert upgrade(browser, f"https://{LINK}") == NOT_FOUND
    finally:
        host.check_output("systemctl kill --signal=CONT lightship-registry")


def test_no_other_protocol_is_upgraded_to(start: Start, browser: Browser) -> None:
    notebook = start("quiet-river-stone")
    assert (
        browser.ask(
            LINK, headers={"Connection": "Upgrade, HTTP2-Settings", "Upgrade": "h2c", "HTTP2-Settings": "AA"}
        ).status
        == OK
    )
    assert b"pgrade" not in b"".join(notebook.received)


@pytest.mark.parametrize("site", ["same-site", "cross-site"])
@pytest.mark.parametrize(("method", "headers"), FOREIGN_REQUESTS)
def test_a_neighbours_page_reaches_nothing(
    start: Start, browser: Browser, site: str, method: str, headers: dict[str, str]
) -> None:
    notebook = start("quiet-river-stone")
    assert browser.ask(LINK, headers={**headers, "Sec-Fetch-Site": site}, method=method).status == FORBIDDEN
    assert not notebook.received


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
def test_nor_does_it_in_a_browser_that_sends_no_fetch_metadata(start: Start, browser: Browser, method: str) -> None:
    notebook = start("quiet-river-stone")
    assert (
        browser.ask(LINK, headers={"Origin": f"https://mallory-was-here.{DOMAIN}"}, method=method).status == FORBIDDEN
    )
    assert not notebook.received


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Sec-Fetch-Site": "none", **NAVIGATION},
        {"Sec-Fetch-Site": "cross-site", **NAVIGATION},
        {"Sec-Fetch-Site": "same-site", **NAVIGATION},
        {
            "Sec-Fetch-Site": "same-origin",
            "Sec-Fetch-Mode": "cors",
            "Sec-Fetch-Dest": "empty",
            "Origin": f"https://{LINK}",
        },
    ],
)
def test_the_user_and_the_notebooks_own_pages_do(start: Start, browser: Browser, headers: dict[str, str]) -> None:
    start("quiet-river-stone")
    assert browser.ask(LINK, headers=headers).status == OK


# Of Jupyter, the classic notebook, JupyterHub, nbgitpuller, Voila, and a program that a server proxy starts; and what
# only looks like a page that shows something.
CHANGES = [
    *("/logout", "/terminals/new", "/hub/logout", "/git-pull?repo=x", "/voila/render/a.ipynb", "/rstudio/", "/lab2"),
    *("/lab?reset", f"/lab?reset&token={'f' * 32}", f"/?token={'f' * 32}&next=/logout", "/lab/../logout", "/%6cogout"),
    # The web server reads another path in these than the notebook, which gets them as they came.
    *("/logout/..%2flab", "/proxy/8000/%2e%2e%2f%2E%2E/tree", "/voila/render/a.ipynb%2f..%2f.."),
]
SHOWS = ["/", "/lab", "/lab/tree/a.ipynb", "/tree", "/notebooks/a.ipynb", "/doc/tree/a", "/voila", "/voila/"]


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_a_page_elsewhere_opens_nothing_that_may_change_something(start: Start, browser: Browser, site: str) -> None:
    notebook = start("quiet-river-stone")
    for path in CHANGES:
        answer = browser.ask(LINK, path, {**NAVIGATION, "Sec-Fetch-Site": site})
        assert answer.status == FORBIDDEN, path
        assert b'<a href="">go on</a>' in answer.body
        assert "frame-ancestors 'none'" in answer.header("Content-Security-Policy")[0]
    assert not notebook.received


def test_the_click_on_that_page_a_bookmark_and_a_program_open_it(start: Start, browser: Browser) -> None:
    start("quiet-river-stone")
    for path in CHANGES:
        for headers in ({**NAVIGATION, "Sec-Fetch-Site": "same-origin"}, {**NAVIGATION, "Sec-Fetch-Site": "none"}, {}):
            assert browser.ask(LINK, path, headers).status == OK


def test_a_page_elsewhere_leads_to_what_a_notebook_shows(start: Start, browser: Browser) -> None:
    start("quiet-river-stone")
    token = f"?token={'f' * 32}"
    led = {**NAVIGATION, "Sec-Fetch-Site": "cross-site"}
    for path in (*SHOWS, *(path + token for path in SHOWS)):
        assert browser.ask(LINK, path, led).status == OK
    # Our own page asks for the token.
    assert browser.ask(LINK, "/login?next=%2Flab", led).header("Location") == ["/.lightship/enter?next=%2Flab"]


def test_a_page_elsewhere_leads_to_no_page_of_the_registrys_but_the_owners(browser: Browser) -> None:
    headers = {**NAVIGATION, "Sec-Fetch-Site": "same-site"}
    assert browser.ask(LINK, "/.lightship/", headers).status == NOT_FOUND
    for path in ("/.lightship/events", "/.lightship/cancel", "/.lightship/x"):
        assert browser.ask(LINK, path, headers).status == FORBIDDEN
    # Where there is no notebook the page is the same at every path, and changes nothing.
    assert browser.ask(LINK, "/logout", headers).status == NOT_FOUND


def test_what_a_page_elsewhere_has_fetched_in_advance_is_refused(start: Start, browser: Browser) -> None:
    notebook = start("quiet-river-stone")
    for purpose in ("prefetch", "prefetch;prerender", "prefetch;anonymous-client-ip", "Prefetch"):
        headers = {**NAVIGATION, "Sec-Purpose": purpose}
        for path in ("/", "/logout", "/.lightship/"):
            for site in ("none", "same-site", "cross-site"):
                assert browser.ask(LINK, path, {**headers, "Sec-Fetch-Site": site}).status == FORBIDDEN
        assert not notebook.received
    assert browser.ask(LINK, "/lab", {**headers, "Sec-Fetch-Site": "same-origin"}).status == OK


def test_no_script_becomes_the_worker_of_all_paths(start: Start, browser: Browser) -> None:
    answer = b"HTTP/1.1 200 OK\r\nService-Worker-Allowed: /\r\nContent-Length: 0\r\n\r\n"
    notebook = start("quiet-river-stone", handler=lambda connection, _: connection.sendall(answer))
    headers = {"Service-Worker": "script", "Sec-Fetch-Site": "same-origin", "Sec-Fetch-Dest": "serviceworker"}
    for path in ("/sw.js", "/", "/sw.js?/a/b.js", "/?x=/a/"):
        assert browser.ask(LINK, path, headers).status == FORBIDDEN
    assert not notebook.received
    allowed = browser.ask(LINK, "/static/sw.js", headers)
    assert (allowed.status, allowed.header("Service-Worker-Allowed")) == (OK, [])


def test_a_notebooks_cookies_stay_with_it(start: Start, browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http.client, "_MAXHEADERS", 1000)
    many = [*COOKIES, *(f"n{number}=; Domain={DOMAIN}" for number in range(300))]
    lines = "".join(f"Set-Cookie: {cookie}\r\n" for cookie in many)
    answer = f"HTTP/1.1 200 OK\r\n{lines}Content-Length: 0\r\n\r\n".encode()
    start("quiet-river-stone", handler=lambda connection, _: connection.sendall(answer))
    cookies = browser.ask(LINK).header("Set-Cookie")
    assert cookies[:6] == ["a=1; Path=/; HttpOnly", "b=2", "c=3; Secure", "d=4", "e=5", "Domain=6; Path=/"]
    assert not [cookie for cookie in cookies if DOMAIN in cookie]


def test_an_owner_who_shows_the_token_is_remembered_for_the_registrys_pages(start: Start, browser: Browser) -> None:
    start("quiet-river-stone")
    token = "0123456789abcdef" * 2
    kept = f"__Host-lightship={token}; Path=/; Max-Age=604800; HttpOnly; Secure; SameSite=Lax"
    assert browser.ask(LINK, f"/lab?a=b&token={token}").header("Set-Cookie") == [kept]
    known = {"Cookie": f"a=b; __Host-lightship={token}"}
    assert browser.ask(LINK, f"/lab?token={token}", known).header("Set-Cookie") == []
    # What a neighbour put into another cookie is not hers, whatever it looks like to who splits at commas.
    for planted in (f"x=a, __Host-lightship={'f' * 32}", "__Host-lightship=evil", f"x__Host-lightship={'f' * 32}"):
        assert browser.ask(LINK, f"/lab?token={token}", {"Cookie": planted}).header("Set-Cookie") == [kept]
    for query in ("", "?token=", "?token=x", f"?token={token}0", f"?token={token.upper()}", f"?mytoken={token}"):
        assert browser.ask(LINK, f"/lab{query}").header("Set-Cookie") == []


@pytest.mark.parametrize(
    "refusal",
    [
        "403 Forbidden",
        "302 Found\r\nLocation: /login?next=%2Flab",
        # From / Jupyter sends everybody on; and so does who guards a program, to our page that asks for the token.
        f"302 Found\r\nLocation: /lab?token={'f' * 32}",
        f"303 See Other\r\nLocation: /.lightship/enter?next=%2F%3Ftoken%3D{'f' * 32}",
        '302 Found\r\nLocation: /lab\r\nSet-Cookie: username-quiet-river-stone="";expires=Thu, 01 Jan 1970',
    ],
)
def test_a_token_that_the_notebook_refuses_is_not_remembered(start: Start, browser: Browser, refusal: str) -> None:
    answer = f"HTTP/1.1 {refusal}\r\nContent-Length: 0\r\n\r\n".encode()
    start("quiet-river-stone", handler=lambda connection, _: connection.sendall(answer))
    cookies = browser.ask(LINK, f"/lab?token={'f' * 32}").header("Set-Cookie")
    assert not [cookie for cookie in cookies if cookie.startswith("__Host-lightship=")]


@pytest.mark.parametrize("cookie", ['username-quiet-river-stone="2|1:0|x"; Path=/', f"__Host-lightship-app={'0' * 64}"])
def test_one_with_which_the_owner_is_sent_on_is_remembered(start: Start, browser: Browser, cookie: str) -> None:
    answer = f"HTTP/1.1 303 See Other\r\nLocation: /\r\nSet-Cookie: {cookie}\r\nContent-Length: 0\r\n\r\n".encode()
    start("quiet-river-stone", handler=lambda connection, _: connection.sendall(answer))
    _, ours = browser.ask(LINK, f"/?token={'f' * 32}").header("Set-Cookie")
    assert ours.startswith(f"__Host-lightship={'f' * 32}; ")


OWN_PATHS = (
    *("/.lightship/", "/.lightship/events", "/.lightship/running", "/.lightship/lab", "/%2elightship/"),
    *("/lab/../.lightship/", "/lab/..%2f.lightship/", "//.lightship/"),
)


def test_the_pages_own_paths_never_reach_a_notebook(start: Start, browser: Browser) -> None:
    notebook = start("quiet-river-stone")
    unknown = browser.ask(f"nobody-made-this.{DOMAIN}", "/.lightship/")
    for path in OWN_PATHS:
        answer = browser.ask(LINK, path)
        assert (answer.status, answer.body) == (NOT_FOUND, unknown.body)
    assert not notebook.received
    # What only looks like it is the notebook's.
    for path in ("/.lightships/", "/lab/.lightship/"):
        assert browser.ask(LINK, path).body == b"notebook"


def test_at_the_pages_own_paths_a_websocket_and_a_request_that_names_two_hosts_are_refused(
    start: Start, browser: Browser
) -> None:
    notebook = start("quiet-river-stone")
    for path in ("/.lightship/", "/.lightship/running"):
        for origin, status in ((f"https://{LINK}", NOT_FOUND), (f"https://mallory-was-here.{DOMAIN}", FORBIDDEN)):
            assert browser.ask(LINK, path, {**UPGRADE, "Origin": origin}).status == status
    with browser.connect(LINK) as connection:
        connection.sendall(f"GET https://{LINK}/.lightship/ HTTP/1.1\r\nHost: evil.test\r\n\r\n".encode())
        answer = connection.recv(4096)
        assert b"evil.test" not in answer
        assert answer.startswith(b"HTTP/1.1 404 " if SERVER.takes_the_first_host else b"HTTP/1.1 400 ")
    assert not notebook.received


def test_no_neighbours_page_frames_reads_or_ends_what_runs(start: Start, browser: Browser) -> None:
    start("quiet-river-stone")
    frame = {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"}
    fetch = {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"}
    for headers in (frame, fetch):
        assert browser.ask(LINK, "/.lightship/", headers).status == FORBIDDEN
    for headers in ({"Origin": f"https://evil-evil-evil.{DOMAIN}"}, {"Sec-Fetch-Site": "cross-site", **NAVIGATION}):
        assert browser.ask(LINK, "/.lightship/cancel", headers, method="POST").status == FORBIDDEN


def test_the_pages_own_paths_reach_the_registry_and_no_neighbour_uses_them(browser: Browser) -> None:
    assert browser.ask(LINK, "/.lightship/events").status == NOT_FOUND
    assert browser.ask(LINK, "/.lightship/cancel").status == NOT_ALLOWED
    assert browser.ask(LINK, "/.lightship/cancel", method="POST").status == NOT_FOUND
    for headers in ({"Origin": f"https://evil-evil-evil.{DOMAIN}"}, {"Sec-Fetch-Site": "same-site"}):
        assert browser.ask(LINK, "/.lightship/cancel", headers, method="POST").status == FORBIDDEN


def test_a_notebook_steers_neither_the_web_server_nor_the_browsers_view_of_its_neighbours(
    start: Start, browser: Browser
) -> None:
    tricks = [
        "X-Accel-Redirect: /",
        'Alt-Svc: h2=":1"',
        'Clear-Site-Data: "cookies"',
        "Strict-Transport-Security: max-age=0",
    ]
    answer = "\r\n".join(["HTTP/1.1 200 OK", *tricks, "Content-Length: 4", "", "mine"]).encode()
    start("quiet-river-stone", handler=lambda connection, _: connection.sendall(answer))
    seen = browser.ask(LINK)
    assert (seen.status, seen.body) == (OK, b"mine")
    assert not seen.header("Alt-Svc") + seen.header("Clear-Site-Data") + seen.header("X-Accel-Redirect")
    assert seen.header("Strict-Transport-Security") == ["max-age=63072000"]
