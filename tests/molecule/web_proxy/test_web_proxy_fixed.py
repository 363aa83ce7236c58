"""Notebooks at fixed paths and names: who reaches them, what they are sent, and that they are neighbours of the links.

The notebooks are those of the inventory, group_vars/bed_roles/web_proxy.yml; each user's password is "secret".
"""

from __future__ import annotations

import base64
import contextlib
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from testinfra.host import Host

from support.fake_notebook import (
    DESK,
    FOREIGN_REQUESTS,
    HERE,
    NAVIGATION,
    UPGRADE,
    Answer,
    Authority,
    Browser,
    Handler,
    Notebook,
    Start,
    echo,
    reply,
)
from support.proxy_host import DOMAIN, FIRST_PORT, SERVER, TESTINFRA_HOSTS

testinfra_hosts = TESTINFRA_HOSTS

OK, SWITCHING, BAD_REQUEST, UNAUTHORIZED, FORBIDDEN, NOT_FOUND, MISDIRECTED = 200, 101, 400, 401, 403, 404, 421
TOO_MANY, BAD_GATEWAY = 429, 502
PASSWORD = "secret"
PATH_PORT = FIRST_PORT - 10
LOCAL_PORT, NAME_PORT, GUARDED_PORT = PATH_PORT + 1, PATH_PORT + 3, PATH_PORT + 4
NAMED, GUARDED = f"jupyter.{DOMAIN}", f"guarded.{DOMAIN}"
LINK = f"quiet-river-stone.{DOMAIN}"
SITE = {"Sec-Fetch-Site": "cross-site"}

Fixed = Callable[..., Notebook]


def basic(user: str = "alice", password: str = PASSWORD) -> dict[str, str]:
    """Return the header of a login."""
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def hang_up(notebook: Notebook) -> None:
    """Close the connections that the web server keeps: the next test has another notebook at that port."""
    for connection in notebook.connections:
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def fixed(links: Authority, tmp_path: Path) -> Iterator[Fixed]:
    """Start the notebook of one of the fixed ports, with a certificate for this machine's name."""
    with contextlib.ExitStack() as running:

        def begin(port: int, handler: Handler = reply, name: str = DESK) -> Notebook:
            notebook = Notebook(links.issue(tmp_path, name), None, handler, port)
            running.callback(hang_up, notebook)
            running.enter_context(notebook.listening())
            return notebook

        yield begin


@pytest.fixture
def places(fixed: Fixed) -> dict[str, tuple[Notebook, str, str, dict[str, str]]]:
    """Return a notebook at a path and one at a name: itself, the host, the path below which it is, and a login."""
    return {
        "path": (fixed(PATH_PORT), DOMAIN, "/jupyter", {}),
        "name": (fixed(NAME_PORT), NAMED, "", basic()),
    }


def sent(notebook: Notebook) -> str:
    """Return all that reached a notebook."""
    return b"".join(notebook.received).decode()


def host_for(name: str, port: int) -> str:
    """Return the Host header with which a notebook at a public name is asked."""
    return f"{DESK}:{port}" if SERVER.asks_by_the_targets_name else name


def test_a_notebook_at_a_path_gets_the_path_as_it_came(fixed: Fixed, browser: Browser) -> None:
    notebook = fixed(PATH_PORT)
    for path in ("/jupyter/", "/jupyter/lab?a=b", "/jupyter/files/a%2Fb//c", "/jupyter/%E2%82%AC;p=1"):
        answer = browser.ask(DOMAIN, path)
        assert (answer.status, answer.body) == (OK, b"notebook")
        assert f"GET {path} HTTP/1.1\r\nHost: {host_for(DOMAIN, PATH_PORT)}\r\n" in sent(notebook)


def test_the_path_without_its_slash_leads_to_the_one_with_it(fixed: Fixed, browser: Browser) -> None:
    notebook = fixed(PATH_PORT)
    answer = browser.ask(DOMAIN, "/jupyter?token=a")
    assert 300 < answer.status < 309
    (location,) = answer.header("Location")
    assert location.removeprefix(f"https://{DOMAIN}") == "/jupyter/?token=a"
    assert not notebook.received


@pytest.mark.parametrize(
    "path",
    [
        *(
            "/",
            "/jupyterx",
            "/jupyterx/lab",
            "/Jupyter/",
            "/x/jupyter/",
            "/jupyter/../",
            "/jupyter/..%2f",
            "/jupyter%2flab",
        ),
        *("/x/../jupyter/", "/x/..%2fjupyter/", "//jupyter/", "/./jupyter/", "/%6aupyter/"),
    ],
)
def test_what_only_looks_like_the_path_does_not_reach_it(fixed: Fixed, browser: Browser, path: str) -> None:
    notebook = fixed(PATH_PORT)
    assert browser.ask(DOMAIN, path).body != b"notebook"
    assert not notebook.received


def test_a_notebook_on_the_proxys_loopback_needs_no_certificate(host: Host, browser: Browser) -> None:
    host.check_output("install -d /run/lightship-fixed/local && echo here > /run/lightship-fixed/local/it")
    server = f"python3 -m http.server --bind 127.0.0.1 --directory /run/lightship-fixed {LOCAL_PORT}"
    host.check_output(f"systemd-run --unit lightship-fixed --collect {server}")
    try:
        deadline = time.monotonic() + 30
        while (answer := browser.ask(DOMAIN, "/local/it")).status != OK and time.monotonic() < deadline:
            time.sleep(0.1)
        assert answer.body == b"here\n"
    finally:
        host.check_output("systemctl stop lightship-fixed; rm -r /run/lightship-fixed")


@pytest.mark.parametrize("name", [f"other.{DOMAIN}", LINK])
def test_a_target_with_a_certificate_for_another_name_gets_no_byte_of_a_request(
    fixed: Fixed, browser: Browser, name: str
) -> None:
    notebook = fixed(PATH_PORT, name=name)
    answer = browser.ask(DOMAIN, "/jupyter/lab?token=SECRET", method="POST", body=b"SECRET")
    assert answer.status == BAD_GATEWAY
    assert not notebook.received
    for secret in (DESK, HERE, str(PATH_PORT)):
        assert secret.encode() not in answer.body


def test_what_a_request_says_of_its_way_is_the_proxys_word(
    places: dict[str, tuple[Notebook, str, str, dict[str, str]]], browser: Browser
) -> None:
    names = ["X-Real-IP", "X-Forwarded-For", "X-Forwarded-Host", "X-Scheme", "Forwarded", "X-Lightship-Cluster"]
    names += ["X-Lightship-Token", "X-Forwarded-Prefix"]
    for notebook, name, path, login in places.values():
        browser.ask(name, f"{path}/lab", {**dict.fromkeys(names, "203.0.113.9"), **login})
        head = sent(notebook)
        own = (f"Host: {host_for(name, notebook.port)}", f"X-Forwarded-Host: {name}")
        for line in (*own, f"X-Real-IP: {HERE}", f"X-Forwarded-For: {HERE}", "X-Forwarded-Proto: https"):
            assert f"\r\n{line}\r\n".lower() in head.lower()
        assert "203.0.113.9" not in head
        assert "x-lightship" not in head.lower()


def test_a_notebooks_token_arrives_and_a_logins_password_does_not(
    places: dict[str, tuple[Notebook, str, str, dict[str, str]]], browser: Browser
) -> None:
    notebook, name, path, _ = places["path"]
    browser.ask(name, f"{path}/api", {"Authorization": "token 0123abc"})
    assert "\r\nauthorization: token 0123abc\r\n" in sent(notebook).lower()
    for notebook, name, path, login in places.values():
        browser.ask(name, f"{path}/lab", login or basic())
        assert "basic" not in sent(notebook).lower()


def websocket(browser: Browser, host: str, path: str, headers: dict[str, str]) -> Answer:
    """Ask for a WebSocket."""
    return browser.ask(host, f"{path}/api/kernels/1/channels", {**UPGRADE, **headers})


def test_a_page_of_the_notebook_opens_a_websocket_and_another_page_does_not(fixed: Fixed, browser: Browser) -> None:
    for port, host, path, login in ((PATH_PORT, DOMAIN, "/jupyter", {}), (NAME_PORT, NAMED, "", basic())):
        notebook = fixed(port, handler=echo)
        for origin in ("null", f"https://{LINK}", f"http://{host}", f"https://{host}:8443", f"https://x.{host}"):
            assert websocket(browser, host, path, {"Origin": origin, **login}).status == FORBIDDEN
        assert websocket(browser, host, path, login).status == FORBIDDEN
        assert not notebook.received
        assert websocket(browser, host, path, {"Origin": f"https://{host}", **login}).status == SWITCHING
    assert websocket(browser, DOMAIN, "/jupyter", {"Authorization": "token 0123abc"}).status == SWITCHING
    with browser.websocket(DOMAIN, "/jupyter/ws") as connection:
        for word in (b"one", b"two"):
            connection.sendall(word)
            assert connection.recv(4096) == word * 2


@pytest.mark.parametrize("site", ["same-site", "cross-site"])
@pytest.mark.parametrize(("method", "headers"), [*FOREIGN_REQUESTS, ("GET", {**NAVIGATION, "Sec-Purpose": "prefetch"})])
def test_a_neighbours_page_reaches_nothing(
    places: dict[str, tuple[Notebook, str, str, dict[str, str]]],
    browser: Browser,
    site: str,
    method: str,
    headers: dict[str, str],
) -> None:
    for notebook, name, path, login in places.values():
        answer = browser.ask(name, f"{path}/", {**headers, "Sec-Fetch-Site": site, **login}, method=method)
        assert answer.status == FORBIDDEN
        assert browser.ask(name, f"{path}/", {"Origin": f"https://{LINK}", **login}, method=method).status == FORBIDDEN
        assert not notebook.received


def test_a_page_elsewhere_opens_what_shows_something_and_nothing_else(
    places: dict[str, tuple[Notebook, str, str, dict[str, str]]], browser: Browser
) -> None:
    for notebook, name, path, login in places.values():
        for changing in ("/logout", "/terminals/new", "/lab?reset", "/logout/..%2flab"):
            answer = browser.ask(name, path + changing, {**NAVIGATION, **SITE, **login})
            assert answer.status == FORBIDDEN, changing
            assert b'<a href="">go on</a>' in answer.body
        assert not notebook.received
        for showing in ("/", "/lab", "/lab/tree/a.ipynb", "/tree", f"/lab?token={'f' * 48}"):
            assert browser.ask(name, path + showing, {**NAVIGATION, **SITE, **login}).status == OK, showing


def test_a_service_worker_answers_for_a_folder_at_most(
    places: dict[str, tuple[Notebook, str, str, dict[str, str]]], browser: Browser
) -> None:
    for notebook, name, path, login in places.values():
        assert browser.ask(name, f"{path}/worker.js", {"Service-Worker": "script", **login}).status == FORBIDDEN
        assert not notebook.received
        assert browser.ask(name, f"{path}/static/worker.js", {"Service-Worker": "script", **login}).status == OK


def test_a_notebook_steers_neither_the_web_server_nor_its_neighbours(fixed: Fixed, browser: Browser) -> None:
    head = [
        "HTTP/1.1 200 OK",
        *("X-Accel-Redirect: /", "X-Sendfile: /etc/passwd", 'Alt-Svc: h2=":1"', 'Clear-Site-Data: "cookies"'),
        *("Strict-Transport-Security: max-age=0", "Service-Worker-Allowed: /"),
        *(f"Set-Cookie: a=1; Path=/; Domain={DOMAIN}; HttpOnly", f"Set-Cookie: b=2;domain=.{DOMAIN}"),
    ]
    answer = "\r\n".join([*head, "Content-Length: 4", "", "mine"]).encode()
    for port, host, path, login in ((PATH_PORT, DOMAIN, "/jupyter", {}), (NAME_PORT, NAMED, "", basic())):
        fixed(port, handler=lambda connection, _: connection.sendall(answer))
        # With a token in the address, for which a link's browser would be given a cookie.
        seen = browser.ask(host, f"{path}/lab?token={'f' * 32}", login)
        assert (seen.status, seen.body) == (OK, b"mine")
        for name in ("Alt-Svc", "Clear-Site-Data", "Service-Worker-Allowed", "X-Accel-Redirect"):
            assert seen.header(name) == []
        assert seen.header("Strict-Transport-Security") == ["max-age=63072000"]
        assert seen.header("Cross-Origin-Opener-Policy") == ["same-origin-allow-popups"]
        assert seen.header("Set-Cookie") == ["a=1; Path=/; HttpOnly", "b=2"]


def test_an_answer_that_is_not_http_is_not_passed_on(fixed: Fixed, browser: Browser) -> None:
    fixed(PATH_PORT, handler=lambda connection, _: connection.sendall(b"ICY 200 OK\r\nSet-Cookie: evil=1\r\n\r\nevil"))
    with browser.connect(DOMAIN) as connection:
        connection.sendall(f"GET /jupyter/ HTTP/1.1\r\nHost: {DOMAIN}\r\nConnection: close\r\n\r\n".encode())
        seen = b""
        while data := connection.recv(65536):
            seen += data
    head = seen.partition(b"\r\n\r\n")[0]
    assert head.startswith(b"HTTP/1.1 502 " if SERVER.filters_all_heads else b"HTTP/1.1 200 ")
    assert b"evil" not in (seen if SERVER.filters_all_heads else head)


def test_without_an_answer_there_is_a_page_that_says_what_to_do(browser: Browser) -> None:
    answer = browser.ask(DOMAIN, "/jupyter/lab")
    assert answer.status == BAD_GATEWAY
    assert b"Reload" in answer.body
    assert HERE.encode() not in answer.body


def test_other_networks_are_kept_out(browser: Browser) -> None:
    answer = browser.ask(DOMAIN, "/elsewhere/lab")
    assert answer.status == FORBIDDEN
    assert b"network" in answer.body


@pytest.mark.parametrize("user", ["alice", "bob"])
def test_a_login_lets_in_with_the_right_password_alone(fixed: Fixed, browser: Browser, user: str) -> None:
    notebook = fixed(NAME_PORT)
    for headers in ({}, basic(user, "wrong"), basic("carol"), basic("", ""), {"Authorization": "token secret"}):
        answer = browser.ask(NAMED, "/lab", headers)
        assert answer.status == UNAUTHORIZED
        assert answer.header("WWW-Authenticate")[0].startswith("Basic ")
        assert b"<h1>" in answer.body
    assert not notebook.received
    for _ in range(2):
        assert browser.ask(NAMED, "/lab", basic(user)).status == OK


def test_guessing_passwords_is_slowed_down_and_hinders_nobody_who_is_in(fixed: Fixed, browser: Browser) -> None:
    fixed(NAME_PORT)
    assert browser.ask(NAMED, "/lab", basic()).status == OK
    with ThreadPoolExecutor(20) as many:
        guesses = [f"wrong{number}" for number in range(100)]
        statuses = set(many.map(lambda guess: browser.ask(NAMED, "/lab", basic("alice", guess)).status, guesses))
    assert statuses == {UNAUTHORIZED, TOO_MANY}
    assert browser.ask(NAMED, "/lab", basic()).status == OK


def test_a_clients_certificate_is_asked_for_at_that_name_alone(
    host: Host, fixed: Fixed, browser: Browser, tmp_path: Path
) -> None:
    notebook = fixed(GUARDED_PORT)
    with contextlib.suppress(ssl.SSLError, ConnectionError):
        answer = browser.ask(GUARDED, "/lab")
        assert answer.status == FORBIDDEN
        assert b"certificate" in answer.body
    # A connection that began with another name has shown none.
    for other in (DOMAIN, LINK, NAMED):
        assert browser.ask(other, "/lab", authority=GUARDED).status == MISDIRECTED
    assert not notebook.received
    trust = "".join(map(ssl.DER_cert_to_PEM_cert, browser.trust.get_ca_certs(binary_form=True)))
    context = ssl.create_default_context(cadata=trust)
    mine = tmp_path / "client.pem"
    mine.write_text(
        host.check_output("cat /var/lib/lightship/web_proxy/client.crt /var/lib/lightship/web_proxy/client.key")
    )
    context.load_cert_chain(mine)
    assert Browser(context).ask(GUARDED, "/lab").body == b"notebook"


def test_one_of_another_authority_is_none(fixed: Fixed, links: Authority, browser: Browser, tmp_path: Path) -> None:
    notebook = fixed(GUARDED_PORT)
    trust = "".join(map(ssl.DER_cert_to_PEM_cert, browser.trust.get_ca_certs(binary_form=True)))
    context = ssl.create_default_context(cadata=trust)
    context.load_cert_chain(links.issue(tmp_path, LINK))
    with contextlib.suppress(ssl.SSLError, ConnectionError):
        assert Browser(context).ask(GUARDED, "/lab").status in {BAD_REQUEST, FORBIDDEN}
    assert not notebook.received


def test_a_connection_serves_all_other_names_of_the_certificate(start: Start, fixed: Fixed, browser: Browser) -> None:
    """Browsers send requests for one name over a connection to another that has the same certificate and address."""
    start("quiet-river-stone")
    fixed(PATH_PORT)
    assert browser.ask(DOMAIN, "/lab", authority=LINK).body == b"notebook"
    assert browser.ask(LINK, "/jupyter/lab", authority=DOMAIN).body == b"notebook"


def test_a_fixed_names_paths_are_its_notebooks_and_the_links_own_paths_are_nobodys(
    fixed: Fixed, browser: Browser
) -> None:
    notebook = fixed(NAME_PORT)
    for path in ("/.lightship/", "/.lightship/enter", "/.lightship/forget-cookies"):
        assert browser.ask(NAMED, path, basic()).status == NOT_FOUND
    assert not notebook.received


def test_the_passwords_are_for_the_web_server_alone(host: Host) -> None:
    assert host.check_output("find /etc/lightship/logins -type f -perm /027") == ""
    assert "$6$" in host.check_output("cat /etc/lightship/logins/*")
