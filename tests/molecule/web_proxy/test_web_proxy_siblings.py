"""Whatever a link's page tries on another link, in Chromium and in Firefox: that notebook sees nothing of it."""

from __future__ import annotations

import json
import re
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Error, Page

from browser.firefox import Firefox, FirefoxError, firefox
from browser.window import chromium, trust
from support.fake_notebook import Notebook, Start
from support.proxy_host import DOMAIN, PROXY, TESTINFRA_HOSTS

testinfra_hosts = TESTINFRA_HOSTS

VICTIM, EVIL = f"quiet-river-stone.{DOMAIN}", f"mallory-was-here.{DOMAIN}"
ORIGIN, ATTACKER = f"https://{VICTIM}", f"https://{EVIL}"
COOKIE = b"session=1"

# Each tries to have the browser send a request to the path act-<its name>, with the victim's cookies.
TRIES = {
    "fetch": "fetch(at, {mode: 'no-cors', credentials: 'include'})",
    "fetch-cors": "fetch(at, {credentials: 'include'})",
    "fetch-post": "fetch(at, {method: 'POST', mode: 'no-cors', credentials: 'include', body: 'x'})",
    "fetch-keepalive": "fetch(at, {method: 'POST', mode: 'no-cors', credentials: 'include', keepalive: true})",
    "fetch-form": "fetch(at, {method: 'POST', mode: 'no-cors', credentials: 'include', body: new FormData()})",
    "fetch-asked": "fetch(at, {method: 'DELETE', credentials: 'include', headers: {'X-A': 'b'}})",
    "fetch-json": """fetch(at, {method: 'POST', credentials: 'include', body: '{}',
        headers: {'Content-Type': 'application/json'}})""",
    "fetch-token": "fetch(at, {credentials: 'include', headers: {'Authorization': 'token x'}})",
    "fetch-led": "fetch('/to?' + at, {mode: 'no-cors', credentials: 'include'})",
    "beacon": "navigator.sendBeacon(at, 'x')",
    "xhr": """new Promise(done => { const it = new XMLHttpRequest(); it.open('PUT', at); it.withCredentials = true;
        it.onloadend = done; it.send('x') })""",
    "image": "new Promise(done => { const it = new Image(); it.onload = it.onerror = done; it.src = at })",
    "image-cors": """new Promise(done => { const it = new Image(); it.crossOrigin = 'use-credentials';
        it.onload = it.onerror = done; it.src = at })""",
    "image-led": "new Promise(done => { const it = new Image(); it.onload = it.onerror = done; it.src = '/to?' + at })",
    "script": "add('script', {src: at})",
    "module": "add('script', {type: 'module', crossOrigin: 'use-credentials', src: at})",
    "style": "add('link', {rel: 'stylesheet', href: at})",
    "icon": "add('link', {rel: 'icon', href: at})",
    "manifest": "add('link', {rel: 'manifest', crossOrigin: 'use-credentials', href: at})",
    "prefetch": "add('link', {rel: 'prefetch', href: at})",
    "prerender": "add('link', {rel: 'prerender', href: at})",
    "preload": "add('link', {rel: 'preload', as: 'image', href: at})",
    "modulepreload": "add('link', {rel: 'modulepreload', href: at})",
    "speculate-prefetch": "speculate('prefetch', at)",
    "speculate-prerender": "speculate('prerender', at)",
    "import": "import(at)",
    "worker": "new Promise(done => { new Worker(at).onerror = done })",
    "service-worker": "navigator.serviceWorker.register(at, {scope: at})",
    "video": "add('video', {src: at})",
    "track": "add('audio', {crossOrigin: 'use-credentials', src: at})",
    "object": "add('object', {data: at})",
    "embed": "add('embed', {src: at})",
    "frame": "add('iframe', {src: at})",
    "frame-led": "add('iframe', {src: '/to?' + at})",
    "frame-script": "add('iframe', {srcdoc: '<script>location = \\'' + at + '\\'</' + 'script>'})",
    "frame-form": "form('POST', at, 'application/x-www-form-urlencoded', 'inner')",
    "frame-form-get": "form('GET', at, 'text/plain', 'inner')",
    "window-form": "form('POST', at, 'text/plain', '_blank')",
    "window-form-files": "form('POST', at, 'multipart/form-data', '_blank')",
    "window": "open(at)",
    "window-led": "open('/to?' + at)",
    "window-moved": "moved(at)",
    "ping": "ping(at)",
    "websocket": """new Promise(done => { const it = new WebSocket(at.replace('https', 'wss'));
        it.onopen = it.onerror = done })""",
    "events": """new Promise(done => { const it = new EventSource(at, {withCredentials: true});
        it.onopen = it.onerror = () => done(it.close()) })""",
    "report": "add('img', {src: 'https://' + location.host + '/reported'})",
}
HELPERS = """
const add = (kind, properties) => new Promise(done => {
    const it = Object.assign(document.createElement(kind), properties)
    it.onload = it.onerror = done
    document.body.append(it)
})
const speculate = (kind, at) => add('script', {type: 'speculationrules',
    textContent: JSON.stringify({[kind]: [{source: 'list', urls: [at], eagerness: 'immediate'}]})})
const form = (method, action, enctype, target) => {
    const it = Object.assign(document.createElement('form'), {method, action, enctype, target})
    it.append(Object.assign(document.createElement('input'), {name: 'x', value: 'y'}))
    document.body.append(it)
    it.submit()
}
const moved = at => new Promise(done => {
    const held = open('/')
    setTimeout(() => { held.location = at; done() }, 500)
})
const ping = at => {
    const it = Object.assign(document.createElement('a'), {href: '#', ping: at})
    document.body.append(it)
    it.click()
}
"""
TRY_ALL = """async tries => {
    document.body.insertAdjacentHTML('beforeend', '<iframe name=inner></iframe>')
    const done = {}
    const limit = () => new Promise(done => setTimeout(done, 3000, 'waited'))
    await Promise.all(Object.entries(tries).map(async ([name, [code, at]]) => {
        try {
            done[name] = String(await Promise.race([new Function('at', HELPERS + 'return ' + code)(at), limit()]))
        } catch (error) {
            done[name] = String(error)
        }
    }))
    return done
}"""
LED_AWAY = {
    "top": "() => { setTimeout(() => { location = '%s' }) }",
    "top-led": "() => { setTimeout(() => { location = '/to?%s' }) }",
    "top-replaced": "() => { setTimeout(() => { location.replace('%s?token=x&next=y') }) }",
    "top-form": """() => { setTimeout(() => {
        const it = Object.assign(document.createElement('form'), {method: 'POST', action: '%s'})
        document.body.append(it)
        it.submit() }) }""",
    "top-refresh": "() => { document.head.innerHTML = '<meta http-equiv=refresh content=\"0;url=%s\">' }",
}
REGISTER = """([script, scope]) => navigator.serviceWorker.register(script, {scope})
    .then(() => 'registered', error => error.name)"""
TOO_WIDE = (("/sw.js", "/"), ("/a/sw.js", "/"), ("/a/sw.js", "/.lightship/"), ("/a/sw.js", "/b/"))
SECONDS = 10

Tab = Page | Firefox


def answer(kind: str, text: str, *headers: str) -> bytes:
    """Return an answer with a body."""
    lines = "".join(f"{header}\r\n" for header in headers)
    return f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\n{lines}Content-Length: {len(text)}\r\n\r\n{text}".encode()


def obliging(connection: socket.socket, request: bytes) -> None:
    """Answer as a notebook that lets every page do everything: only the web server stands in the way."""
    allow = (
        f"Access-Control-Allow-Origin: {ATTACKER}",
        "Access-Control-Allow-Credentials: true",
        "Access-Control-Allow-Headers: X-A, Content-Type, Authorization",
        "Access-Control-Allow-Methods: GET, POST, PUT, DELETE",
        "Cross-Origin-Resource-Policy: cross-origin",
    )
    if b"\r\nUpgrade: websocket" in request:
        connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
    elif request.split()[1].endswith(b".js"):
        connection.sendall(answer("text/javascript", "self.x = 1", "Service-Worker-Allowed: /"))
    else:
        cookie = "Set-Cookie: session=1; Path=/; Secure; SameSite=None"
        connection.sendall(answer("text/html", "<title>notebook</title>", cookie, *allow))


def mallory(connection: socket.socket, request: bytes) -> None:
    """Answer with a page that has its faults reported to the victim, and that sets a cookie for all links."""
    path = request.split()[1].decode()
    if path.startswith("/to?"):
        lines = f"HTTP/1.1 307 Temporary Redirect\r\nLocation: {path[4:]}\r\nContent-Length: 0\r\n\r\n"
        connection.sendall(lines.encode())
        return
    report = f"Content-Security-Policy-Report-Only: img-src 'none'; report-uri {ORIGIN}/act-reported"
    cookies = (f"Set-Cookie: tossed=1; Domain={DOMAIN}; Path=/; Secure", f"Set-Cookie: thrown=1; domain=.{DOMAIN}")
    policy = "Cross-Origin-Opener-Policy: unsafe-none"
    page = f"<title>mallory</title><body><script>const HELPERS = {json.dumps(HELPERS)}</script>"
    connection.sendall(answer("text/html", page, report, policy, *cookies))


@contextmanager
def opened(kind: str, home: Path) -> Iterator[Tab]:
    """Yield a tab of a browser for which every name is the proxy's."""
    if kind == "firefox":
        with firefox(home, PROXY) as tab:
            yield tab
    else:
        trust(home)
        flags = (f"--host-resolver-rules=MAP *.{DOMAIN} {PROXY}", "--disable-popup-blocking")
        with chromium(home, *flags) as page:
            yield page


@pytest.fixture(scope="module", params=["chromium", "firefox"])
def tab(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    with opened(request.param, tmp_path_factory.mktemp(request.param)) as found:
        yield found


@pytest.fixture
def victim(start: Start) -> Notebook:
    start(EVIL.partition(".")[0], handler=mallory)
    return start(VICTIM.partition(".")[0], handler=obliging)


def acts(notebook: Notebook) -> list[str]:
    """Return the names of the tries that reached the notebook."""
    return [name.decode() for name in re.findall(rb" /act-([a-z-]+)", b"".join(notebook.received))]


def sign_in(tab: Tab, victim: Notebook) -> None:
    """Have the browser get the victim's cookie, and show that it sends it with what that notebook's page asks for."""
    tab.goto(f"{ORIGIN}/lab")
    tab.evaluate("() => fetch('/act-own', {method: 'POST'}).then(answer => answer.status)")
    assert acts(victim) == ["own"]
    assert COOKIE in b"".join(victim.received).rpartition(b"/act-own")[2]
    victim.received.clear()


def test_nothing_that_a_page_asks_of_another_link_reaches_its_notebook(tab: Tab, victim: Notebook) -> None:
    sign_in(tab, victim)
    tab.goto(f"{ATTACKER}/")
    done = tab.evaluate(TRY_ALL, {name: [code, f"{ORIGIN}/act-{name}"] for name, code in TRIES.items()})
    assert set(done) == set(TRIES)
    broken = {name: said for name, said in done.items() if re.search("SyntaxError|ReferenceError|is not", said)}
    assert not broken
    # What goes on by itself: windows, reports.
    time.sleep(1)
    assert not acts(victim), done
    asked = re.findall(rb"(?m)^[A-Z]+ (\S+) HTTP", b"".join(victim.received))
    assert set(asked) <= {b"/favicon.ico"}


def test_a_page_leads_nobody_to_an_address_that_acts(tab: Tab, victim: Notebook) -> None:
    sign_in(tab, victim)
    for name, code in LED_AWAY.items():
        tab.goto(f"{ATTACKER}/")
        tab.evaluate(code % f"{ORIGIN}/act-{name}")
        wait_for(tab, f"location.host === '{VICTIM}' && document.readyState === 'complete'", name)
        assert tab.evaluate("() => document.title") != "notebook", name
    assert not acts(victim)


def test_a_page_keeps_no_hold_of_another_links_window(tab: Tab, victim: Notebook) -> None:
    sign_in(tab, victim)
    tab.goto(f"{ATTACKER}/")
    tab.evaluate(f"() => {{ window.held = open('{ORIGIN}/lab') }}")
    wait_for(tab, "window.held.closed", "the opener still has the window")
    # It was there, and with the owner's cookie.
    assert COOKIE in b"".join(victim.received)


def test_a_links_cookies_are_its_own(tab: Tab, victim: Notebook) -> None:
    sign_in(tab, victim)
    tab.goto(f"{ATTACKER}/")
    tab.goto(f"{ORIGIN}/lab")
    received = b"".join(victim.received)
    assert COOKIE in received
    assert b"tossed" not in received
    assert b"thrown" not in received


def test_no_service_worker_answers_for_more_than_its_folder(tab: Tab, victim: Notebook) -> None:
    tab.goto(f"{ORIGIN}/lab")
    for script, scope in TOO_WIDE:
        assert tab.evaluate(REGISTER, [script, scope]) != "registered", (script, scope)
    assert tab.evaluate(REGISTER, ["/a/sw.js", "/a/"]) == "registered"
    assert b" /sw.js " not in b"".join(victim.received)


def wait_for(tab: Tab, condition: str, what: str) -> None:
    """Wait until a condition in JavaScript holds on the page, also while another page comes."""
    deadline, said = time.monotonic() + SECONDS, "false"
    while time.monotonic() < deadline:
        try:
            if tab.evaluate(f"() => Boolean({condition})"):
                return
        except (Error, FirefoxError) as error:
            # The page went away under the question.
            said = str(error)
        time.sleep(0.1)
    raise AssertionError(f"{what}: {condition} did not come true; {said}")
