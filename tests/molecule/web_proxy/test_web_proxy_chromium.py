"""What a neighbour's page can do to a notebook in a real browser, which knows more ways than a test thinks of."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from browser.window import chromium, trust
from support.fake_notebook import Notebook, Start
from support.proxy_host import DOMAIN, PROXY, TESTINFRA_HOSTS

testinfra_hosts = TESTINFRA_HOSTS

OK, FORBIDDEN = 200, 403
VICTIM, EVIL = f"quiet-river-stone.{DOMAIN}", f"mallory-was-here.{DOMAIN}"
ORIGIN = f"https://{VICTIM}"
RULE = '{"%s": [{"source": "list", "urls": ["%s/logout?%s"], "eagerness": "immediate"}]}'
SPECULATE = {kind: RULE % (kind, ORIGIN, kind) for kind in ("prefetch", "prerender")}
WORKER = "self.onfetch = event => event.respondWith(new Response('worker was here'))"
REFUSED = (("/sw.js", "/"), ("/sw.js?/a/", "/.lightship/"), ("/a/sw.js", "/"), ("/a/sw.js", "/.lightship/"))
REGISTER = """([script, scope]) => navigator.serviceWorker.register(script, {scope})
    .then(() => 'registered', error => error.name)"""


def page(text: str, kind: str = "text/html", *headers: str) -> bytes:
    """Return an answer with a body."""
    lines = "".join(f"{header}\r\n" for header in headers)
    return f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\n{lines}Content-Length: {len(text)}\r\n\r\n{text}".encode()


def notebook(connection: socket.socket, request: bytes) -> None:
    """Answer as a notebook with a session does, and with the files that it may hold."""
    path = request.split()[1].decode()
    if path.endswith(".js"):
        connection.sendall(page(WORKER, "text/javascript", "Service-Worker-Allowed: /"))
    else:
        connection.sendall(page(f"<title>notebook</title>{path}", "text/html", "Set-Cookie: session=1; Secure"))


def mallory(connection: socket.socket, request: bytes) -> None:
    """Answer with a page that has the rules its address asks for."""
    rules = SPECULATE.get(request.split()[1].decode().strip("/"), "{}")
    connection.sendall(page(f'<title>mallory</title><script type="speculationrules">{rules}</script><p>here</p>'))


def asked(notebook: Notebook) -> list[str]:
    """Return the paths that a notebook was asked for, but for pictures."""
    lines = re.findall(rb"(?m)^GET (\S+) HTTP", b"".join(notebook.received))
    return [path.decode() for path in lines if path != b"/favicon.ico"]


@contextmanager
def window(home: Path) -> Iterator[Page]:
    """Yield a browser that finds the proxy under every name."""
    trust(home)
    with chromium(home, f"--host-resolver-rules=MAP *.{DOMAIN} {PROXY}") as opened:
        yield opened


@pytest.fixture
def victim(start: Start) -> Notebook:
    start("mallory-was-here", handler=mallory)
    return start("quiet-river-stone", handler=notebook)


def test_no_neighbours_page_has_a_notebook_change_anything_by_being_opened(victim: Notebook, tmp_path: Path) -> None:
    with window(tmp_path) as tab:
        tab.goto(f"{ORIGIN}/lab")
        for kind in SPECULATE:
            with tab.context.expect_event("response", lambda answer: "/logout" in answer.url) as refused:
                tab.goto(f"https://{EVIL}/{kind}")
            assert refused.value.status == FORBIDDEN
        tab.goto(f"https://{EVIL}/")
        with tab.expect_navigation():
            tab.evaluate(f"() => {{ location = '{ORIGIN}/logout' }}")
        assert asked(victim) == ["/lab"]
        # Its owner, who means it, goes on.
        with tab.expect_navigation():
            tab.get_by_role("link", name="go on").click()
        expect(tab).to_have_title("notebook")
        assert asked(victim) == ["/lab", "/logout"]


def test_a_neighbours_link_opens_a_notebook_and_keeps_no_hold_of_its_tab(victim: Notebook, tmp_path: Path) -> None:
    with window(tmp_path) as tab:
        tab.goto(f"https://{EVIL}/")
        with tab.context.expect_page() as opened:
            tab.evaluate(f"() => {{ window.held = open('{ORIGIN}/lab?token={'f' * 32}') }}")
        expect(opened.value).to_have_title("notebook")
        # The opener has lost the window.
        tab.wait_for_function("() => held.closed")
        # A notebook's own windows stay its own.
        with tab.context.expect_page() as own:
            opened.value.evaluate("() => { window.held = open('/lab/doc') }")
        expect(own.value).to_have_title("notebook")
        assert opened.value.evaluate("() => held.document.title") == "notebook"
    assert f"/lab?token={'f' * 32}" in asked(victim)


def test_a_notebooks_service_worker_answers_for_its_own_folder_and_never_for_the_registrys(
    victim: Notebook, tmp_path: Path
) -> None:
    with window(tmp_path) as tab:
        tab.goto(f"{ORIGIN}/lab")
        for script, scope in REFUSED:
            assert tab.evaluate(REGISTER, [script, scope]) != "registered"
        assert tab.evaluate(REGISTER, ["/a/sw.js", "/a/"]) == "registered"
        tab.goto(f"{ORIGIN}/.lightship/")
        assert "worker was here" not in tab.content()
    assert "/sw.js" not in asked(victim)
