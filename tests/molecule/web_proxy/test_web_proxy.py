"""A link's requests reach its own notebook and no other, as they were sent."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from pathlib import Path

import pytest
from testinfra.host import Host

from support.fake_notebook import HERE, REPLY, Answer, Authority, Browser, Notebook, Route, Start
from support.proxy_host import DOMAIN, SERVER, TESTINFRA_HOSTS

testinfra_hosts = TESTINFRA_HOSTS

OK, NOT_FOUND, BAD_GATEWAY, GATEWAY_TIMEOUT = 200, 404, 502, 504
NAME = "quiet-river-stone"
LINK = f"{NAME}.{DOMAIN}"
# As in molecule.yml: no connection is kept for longer than these two together.
IDLE, AGE = 2, 4


def test_a_link_leads_to_its_notebook_and_shows_it_the_proxys_certificate(start: Start, browser: Browser) -> None:
    notebook = start(NAME)
    answer = browser.ask(LINK, "/lab")
    assert (answer.status, answer.body) == (OK, b"notebook")
    assert b"".join(notebook.received).startswith(b"GET /lab HTTP/1.1\r\n")


def test_a_route_is_live_when_written_and_gone_when_removed_without_a_reload(
    host: Host, start: Start, browser: Browser, route: Route
) -> None:
    before = SERVER.worker_ids(host)
    for _ in range(3):
        notebook = start(NAME)
        assert browser.ask(LINK).status == OK
        route(NAME, "")
        gone = browser.ask(LINK)
        assert gone.status == NOT_FOUND
        assert b"notebook" not in b"".join(notebook.received[1:])
    assert SERVER.worker_ids(host) == before


def test_what_everybody_may_fetch_is_at_the_domain_itself(host: Host, browser: Browser) -> None:
    folder = "/usr/local/share/lightship"
    kinds = {"authority": "authority.pem", "certificates": "certificates.json"}
    host.check_output(f"mkdir -p {folder} && cd {folder} && printf root >authority.pem; printf all >certificates.json")
    try:
        for path, content in zip(kinds, (b"root", b"all"), strict=True):
            answer = browser.ask(DOMAIN, f"/.lightship/{path}")
            assert (answer.status, answer.body) == (OK, content)
        # Everything else is the page that says what this site is.
        assert browser.ask(DOMAIN, "/.lightship/events").body == browser.ask(DOMAIN).body
    finally:
        host.check_output(f"cd {folder} && rm {' '.join(kinds.values())}")


@pytest.mark.parametrize("path", ["/a%2Fb", "/a//b", "/a/../b?c=%20d&e=/", "/%E2%82%AC;p=1", "/files/x%3Fy", "/?"])
def test_a_path_arrives_as_it_was_sent(start: Start, browser: Browser, path: str) -> None:
    notebook = start(NAME)
    assert browser.ask(LINK, path).status == OK
    assert b"".join(notebook.received).startswith(f"GET {path} HTTP/1.1\r\n".encode())


def test_what_a_request_says_of_its_way_is_the_proxys_word(start: Start, browser: Browser) -> None:
    notebook = start(NAME)
    names = ["X-Real-IP", "X-Forwarded-For", "X-Forwarded-Host", "X-Scheme", "Forwarded", "X-Lightship-Cluster"]
    names.append("X-Lightship-Token")
    browser.ask(LINK, headers={**dict.fromkeys(names, "203.0.113.9"), "Connection": "close, X-Real-IP"})
    sent = b"".join(notebook.received).decode()
    assert f"\r\nHost: {LINK}\r\n" in sent
    assert f"\r\nX-Real-IP: {HERE}\r\n" in sent
    assert f"\r\nX-Forwarded-For: {HERE}\r\n" in sent
    assert "\r\nX-Forwarded-Proto: https\r\n" in sent
    assert "203.0.113.9" not in sent
    assert "x-lightship" not in sent.lower()


def asked_within(browser: Browser, seconds: float) -> Answer | None:
    """Send a request with a secret and return its answer, or nothing if none came in time."""
    with contextlib.suppress(TimeoutError):
        return browser.ask(LINK, "/lab?token=SECRET", method="POST", body=b"SECRET", seconds=seconds)
    return None


@pytest.mark.parametrize("who", ["another link", "another authority", "expired", "plain HTTP"])
def test_another_server_at_the_notebooks_address_gets_no_byte_of_a_request(
    who: str, links: Authority, client_authority: Path, tmp_path: Path, browser: Browser, route: Route
) -> None:
    certificates = {
        "another link": links.issue(tmp_path, f"other-link-here.{DOMAIN}"),
        "another authority": Authority.stranger(links.certificate.subject).issue(tmp_path, LINK),
        "expired": links.issue(tmp_path, LINK, days=-1),
    }
    with Notebook(certificates.get(who), client_authority).listening() as stranger:
        route(NAME, f"{stranger.route}\\n")
        answer = asked_within(browser, 8)
    # A server that speaks no TLS lets the handshake wait for ever; Apache waits as long as for a silent notebook.
    silent = GATEWAY_TIMEOUT if SERVER.keeps_connections else None
    assert (answer and answer.status) == (silent if who == "plain HTTP" else BAD_GATEWAY)
    received = b"".join(stranger.received)
    assert b"SECRET" not in received
    assert b"HTTP" not in received
    assert not answer or HERE.encode() not in answer.body


def test_no_answer_says_what_to_do_and_not_where_the_notebook_is(browser: Browser, route: Route) -> None:
    route(NAME, f"https://{HERE}:1\\n")
    for method in ("GET", "POST"):
        answer = browser.ask(LINK, "/lab", method=method)
        assert answer.status == BAD_GATEWAY
        assert b"Reload" in answer.body
        assert HERE.encode() not in answer.body
        assert answer.header("Server") == [SERVER.header]


@pytest.mark.parametrize(
    "text",
    [
        "https://10.89.77.1:42\\nx",
        "https://10.89.77.1:42",
        "https://evil.test:443\\n",
        "http://10.89.77.1:80\\n",
        "",
        "x",
    ],
)
def test_a_route_file_that_is_not_exactly_an_address_leads_nowhere(browser: Browser, route: Route, text: str) -> None:
    route(NAME, text or "\\n")
    assert browser.ask(LINK).status == BAD_GATEWAY


def test_connections_to_a_notebook_are_kept_by_a_server_that_can(start: Start, browser: Browser) -> None:
    notebook = start(NAME)
    for _ in range(20):
        assert browser.ask(LINK).status == OK
    # One for each worker, and a few more when they come of age on a slow machine.
    assert (len(notebook.connections) < 10) == SERVER.keeps_connections


def test_an_owner_who_holds_on_to_connections_gets_nothing_of_the_next_link_at_the_address(
    browser: Browser, links: Authority, tmp_path: Path, route: Route, client_authority: Path
) -> None:
    held: list[socket.socket] = []

    def stingy(connection: socket.socket, request: bytes) -> None:
        if b"/slow" in request:
            connection.sendall(REPLY[:-1])
            # From here on, the test's own thread writes.
            held.append(connection)
        else:
            connection.sendall(REPLY)

    with Notebook(links.issue(tmp_path, LINK), client_authority, stingy).listening() as first:
        route(NAME, f"{first.route}\\n")
        waiting = []
        for _ in range(8):
            assert browser.ask(LINK).status == OK
            waiting.append(browser.connect(LINK))
            waiting[-1].sendall(f"GET /slow HTTP/1.1\r\nHost: {LINK}\r\n\r\n".encode())
        while len(held) < len(waiting):
            time.sleep(0.1)
        route(NAME, "")
    before = list(first.received)
    time.sleep(IDLE + AGE + 1)
    # The answers end only now. What is kept of these connections is what the next link's requests would travel on.
    for connection in held:
        connection.sendall(REPLY[-1:])
    for page in waiting:
        while not page.recv(4096).endswith(b"k"):
            pass
        page.close()
    heir = Notebook(links.issue(tmp_path, f"next-link-here.{DOMAIN}"), client_authority, port=first.port)
    with heir.listening():
        route("next-link-here", f"{heir.route}\\n")
        for _ in range(16):
            assert browser.ask(f"next-link-here.{DOMAIN}", "/lab?token=SECRET").status == OK
    assert b"SECRET" in b"".join(heir.received)
    assert first.received == before


def test_an_upload_streams_and_is_not_limited(start: Start, browser: Browser) -> None:
    notebook = start(NAME, handler=lambda *_: None)
    size = 8 << 20
    connection = browser.connect(LINK)
    connection.sendall(f"PUT /api/contents/x HTTP/1.1\r\nHost: {LINK}\r\nContent-Length: {size}\r\n\r\n".encode())
    connection.sendall(bytes(size // 2))
    deadline = time.monotonic() + 10
    # Half of it is there before the other half is sent.
    while sum(map(len, notebook.received)) < size // 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert sum(map(len, notebook.received)) >= size // 2
    connection.close()


def test_an_upload_that_waits_for_a_go_ahead_gets_one(start: Start, browser: Browser) -> None:
    """As curl uploads: it sends the body when the server has said 100."""
    notebook = start(NAME, handler=lambda *_: None)
    with browser.connect(LINK) as connection:
        head = f"PUT /api/contents/x HTTP/1.1\r\nHost: {LINK}\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"
        connection.sendall(head.encode())
        assert connection.recv(4096).startswith(b"HTTP/1.1 100 ")
        connection.sendall(b"hello")
        deadline = time.monotonic() + 10
        while not b"".join(notebook.received).endswith(b"hello"):
            assert time.monotonic() < deadline, notebook.received
            time.sleep(0.05)


def test_an_answer_streams(start: Start, browser: Browser) -> None:
    go_on = threading.Event()

    def stream(connection: socket.socket, _request: bytes) -> None:
        # One thread writes both: the test may see the first part before its write has returned.
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst")
        go_on.wait(60)
        connection.sendall(b"after")

    start(NAME, handler=stream)
    with browser.connect(LINK) as connection:
        connection.sendall(f"GET /events HTTP/1.1\r\nHost: {LINK}\r\n\r\n".encode())
        seen = b""
        while not seen.endswith(b"first"):
            seen += connection.recv(4096)
        go_on.set()
        assert connection.recv(4096) == b"after"
