"""The pages in Chromium, in front of them a stand-in that does to requests what the web server does.

Names are found by a rule of the browser's own; the certificate is nobody's, because TLS is not what is looked at here.
"""

from __future__ import annotations

import datetime as dt
import itertools
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote

import pytest
import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright
from starlette.responses import PlainTextResponse, Response
from starlette.types import Message, Receive, Scope, Send

from lightship_registry import events, views
from lightship_registry.centre import Centre
from lightship_registry.records import Owner, Wish
from lightship_registry.server import Server
from unit.lightship_registry.world import DOMAIN, NODE, TOKEN, TOKEN_SHA256, World, build_world

# The sandbox cannot start as root, and nothing here opens a page of the outside world.
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
RULE = f"--host-resolver-rules=MAP *.{DOMAIN} {NODE}, MAP {DOMAIN} {NODE}"
PATHS = {
    "/.lightship/": "/status",
    "/.lightship/events": "/events",
    "/.lightship/running": "/running",
    "/.lightship/cancel": "/cancel",
    "/.lightship/enter": "/enter",
}
OWN = "/.lightship/"
PORTS = itertools.count(20000)
CENTRE = Centre("Example Computing Centre", "help@example.org", "https://example.org/guide/notebooks")
# A link of somebody else's, and what its page holds.
ELSEWHERE, ELSEWHERES_PAGE = "other-link-here", [""]
# Where the way into a notebook led, by the query of who asked there.
ENTERED: dict[str, str] = {}
WAYS_AHEAD = {"frame", "image", "prefetch", "fetch"}
TAIL = "\n".join(f"slurmstepd: line {number} " + "x" * 200 for number in range(20))

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


class StandIn:
    """Path, token and host as roles/web_proxy passes them on; at an open route, Jupyter's answers as it turns them."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        cookies = SimpleCookie(headers.pop(b"cookie", b"").decode())
        query = parse_qs(scope["query_string"].decode())
        shown = query.get("token", [])
        shown = shown or [cookie.value for name, cookie in cookies.items() if name == "__Host-lightship"]
        name = headers[b"host"].decode().partition(".")[0]
        if not scope["path"].startswith(OWN) and name == ELSEWHERE:
            await PlainTextResponse(ELSEWHERES_PAGE[0], media_type="text/html")(scope, receive, send)
            return
        if not scope["path"].startswith(OWN) and name in self._world.routes:
            await self._notebook(scope, query, cookies)(scope, receive, send)
            return
        headers |= {b"x-lightship-token": "".join(shown).encode(), b"x-real-ip": NODE.encode()}
        path = PATHS.get(scope["path"], "/")

        async def sent(message: Message) -> None:
            if path == "/enter" and "headers" in message:
                ENTERED[scope["query_string"].decode()] = dict(message["headers"]).get(b"location", b"").decode()
            await send(message)

        await self._world.app({**scope, "path": path, "headers": list(headers.items())}, receive, sent)

    def _notebook(self, scope: Scope, query: dict[str, list[str]], cookies: SimpleCookie) -> Response:
        if query.get("token") == [TOKEN]:
            page: Response = PlainTextResponse("<title>The notebook</title>", media_type="text/html")
            page.set_cookie("jupyter", "in", secure=True)
            return page
        if "jupyter" in cookies:
            return PlainTextResponse("<title>The notebook</title>", media_type="text/html")
        asked = quote(scope["path"] + ("?" + scope["query_string"].decode() if scope["query_string"] else ""), safe="")
        return Response(status_code=302, headers={"Location": f"/.lightship/enter?next={asked}"})


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("world")
    with socket.create_server((NODE, 0)) as listener, pytest.MonkeyPatch.context() as patch:
        patch.setattr(events, "LOOK_SECONDS", 0.1)
        patch.setattr(views, "REFRESH_SECONDS", 1)
        patch.setattr(views, "STATUS_REFRESH_SECONDS", 1)
        port = listener.getsockname()[1]
        world = build_world(folder, https_port=port, user_quota=100, message="Backup at night.", centre=CENTRE)
        config = uvicorn.Config(
            StandIn(world), log_config=None, access_log=False, lifespan="off", ws="none", http="h11"
        )
        config.load()
        config.ssl = context(folder)
        server = Server(config, world.app)
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        yield world
        server.should_exit = True
        thread.join(10)
        assert not thread.is_alive(), "the service does not stop"
    world.engine.dispose()


def context(folder: Path) -> ssl.SSLContext:
    key, name = (
        ec.generate_private_key(ec.SECP256R1()),
        x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, DOMAIN)]),
    )
    now = dt.datetime.now(dt.UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    signed = builder.not_valid_before(now).not_valid_after(now + dt.timedelta(days=1)).sign(key, hashes.SHA256())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + signed.public_bytes(Encoding.PEM)
    (folder / "server.pem").write_bytes(pem)
    served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    served.load_cert_chain(folder / "server.pem")
    return served


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=[*FLAGS, RULE])
        yield started
        started.close()


@pytest.fixture
def complaints() -> Iterator[list[str]]:
    """What the browser says against the page, which must be nothing."""
    said: list[str] = []
    yield said
    assert [text for text in said if "Failed to load resource" not in text] == []


def tab(browser: Browser, complaints: list[str], **options: Any) -> Page:
    context: BrowserContext = browser.new_context(ignore_https_errors=True, **options)
    context.set_default_timeout(5000)
    page = context.new_page()
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    return page


def plain(world: World, token_sha256: str = "") -> dict[str, Any]:
    # Not asked for over HTTP: the world's client has a loop of its own, and so has Playwright.
    wish = Wish(1800, "Protein folding", "start-jupyter -p gpu -t 60", token_sha256)
    link, _ = world.links.create(Owner("demo", "alice"), wish)
    return {"name": link.name}


def queued(world: World) -> dict[str, Any]:
    made = plain(world, TOKEN_SHA256)
    world.change(
        made, job_id="4711", job_state="queued", job_reason="All nodes are busy", job_start=world.clock() + 1500
    )
    return made


def ended(world: World) -> dict[str, Any]:
    made = queued(world)
    world.change(made, state="ended", cause="failed", ended_at=world.clock(), reason="Jupyter broke", tail=TAIL)
    return made


def running(world: World, left: float = 1150) -> dict[str, Any]:
    made, now = queued(world), world.clock()
    target = f"https://127.0.0.1:{next(PORTS)}"
    world.change(made, state="ready", target=target, ready_at=now - 60, expires_at=now + left, lease_until=now + 3600)
    return made


def ending(world: World) -> dict[str, Any]:
    return running(world, 299)


def gone(_world: World) -> dict[str, Any]:
    return {"name": "no-such-name"}


def stopped(world: World) -> dict[str, Any]:
    made = queued(world)
    world.change(made, state="ended", cause="time-limit", ready_at=1.0, ended_at=world.clock(), seconds=3600)
    return made


def reachable(world: World, made: dict[str, Any]) -> None:
    """Its notebook answers from now on."""
    target, now = f"https://127.0.0.1:{next(PORTS)}", world.clock()
    world.links.routes.write(made["name"], target)
    ends = {"expires_at": now + 1150, "lease_until": now + 3600}
    world.change(made, state="ready", target=target, ready_at=now, **ends)


def address(world: World, made: dict[str, Any], path: str = "/lab") -> str:
    return f"{world.settings.origin(made['name'])}{path}?token={TOKEN}"


def test_a_change_arrives_without_a_reload_and_the_end_brings_the_tombstone(
    world: World, browser: Browser, complaints: list[str]
) -> None:
    made = queued(world)
    page = tab(browser, complaints, timezone_id="Asia/Tokyo", locale="en-GB")
    page.goto(address(world, made))
    expect(page.get_by_text("All nodes are busy")).to_be_visible()
    page.evaluate("window.stayed = true")
    world.change(made, job_state="running", job_reason="<img src=x>")
    expect(page.get_by_role("heading", level=1)).to_have_text("Your notebook is starting")
    expect(page).to_have_title("Your notebook is starting")
    expect(page.locator('[aria-current="step"]')).to_contain_text("Notebook starts")
    expect(page.get_by_text("Why it waits")).to_be_hidden()
    world.change(made, job_state="held", job_reason="<img src=x>")
    expect(page.get_by_text("<img src=x>")).to_be_visible()
    assert page.evaluate("window.stayed")
    world.change(made, state="ended", cause="revoked", ended_at=world.clock())
    expect(page.get_by_role("heading", level=1)).to_have_text("This link was revoked")
    page.context.close()


def test_times_are_the_readers_own(world: World, browser: Browser, complaints: list[str]) -> None:
    made = queued(world)
    page = tab(browser, complaints, timezone_id="Asia/Tokyo", locale="en-GB")
    page.goto(address(world, made))
    start = dt.datetime.fromtimestamp(world.clock() + 1500, dt.timezone(dt.timedelta(hours=9)))
    expect(page.locator("time")).to_contain_text(f"{start.hour}:{start:%M}")
    expect(page.locator("dl")).to_contain_text("in 25 minutes")
    page.context.close()


def test_without_javascript_it_is_readable_and_refreshes(world: World, browser: Browser, complaints: list[str]) -> None:
    made = queued(world)
    world.change(made, state="starting")
    page = tab(browser, complaints, java_script_enabled=False)
    page.goto(address(world, made))
    expect(page.get_by_role("heading", level=1)).to_have_text("Your notebook is starting")
    expect(page.get_by_text("4711").first).to_be_visible()
    world.change(made, state="ended", cause="node-failed", ended_at=world.clock())
    expect(page.get_by_role("heading", level=1)).to_have_text("This notebook's node failed")
    expect(page.get_by_role("button", name="Copy")).to_be_hidden()
    page.context.close()


def test_the_keyboard_alone_cancels(world: World, browser: Browser, complaints: list[str]) -> None:
    made = queued(world)
    page = tab(browser, complaints)
    page.goto(address(world, made))
    for name in ("Notify me when it is ready", "Cancel this notebook"):
        page.keyboard.press("Tab")
        expect(page.get_by_text(name)).to_be_focused()
        assert page.evaluate("parseFloat(getComputedStyle(document.activeElement).outlineWidth)") >= 2
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Cancel it now")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("You cancelled this notebook")
    assert page.url == f"{world.settings.origin(made['name'])}/"
    link = world.store.find(made["name"])
    assert link
    assert link.reason == "Cancelled on its page."
    page.context.close()


def test_a_running_notebooks_page_warns_without_a_reload_and_in_the_readers_own_time(
    world: World, browser: Browser, complaints: list[str]
) -> None:
    made = running(world)
    page = tab(browser, complaints, timezone_id="Asia/Tokyo", locale="en-GB")
    page.goto(address(world, made, OWN))
    expect(page.get_by_role("heading", level=1)).to_have_text("Your notebook is running")
    expect(page).to_have_title("Your notebook is running")
    expect(page.locator("dl")).to_contain_text("19 minutes, until")
    page.evaluate("window.stayed = true")
    end = world.clock() + 299
    world.change(made, expires_at=end)
    clock = dt.datetime.fromtimestamp(end, dt.timezone(dt.timedelta(hours=9)))
    sentence = f"This notebook ends in 4 min, at {clock.hour}:{clock:%M}: save your work"
    expect(page.get_by_role("alert")).to_have_text(sentence)
    expect(page.get_by_role("heading", level=1)).to_have_text(sentence)
    expect(page).to_have_title(sentence)
    assert page.evaluate("window.stayed")
    page.context.close()


def test_the_way_to_the_notebook_keeps_the_token_that_its_owner_came_with(
    world: World, browser: Browser, complaints: list[str]
) -> None:
    made = running(world)
    page = tab(browser, complaints)
    page.goto(address(world, made, OWN))
    # What runs at the same address could read it in the browser's history.
    assert "token" not in page.evaluate(
        "location.href + JSON.stringify(navigation.entries().map((entry) => entry.url))"
    )
    page.get_by_role("link", name="Open the notebook").click()
    page.wait_for_url(address(world, made, "/"))
    page.goto(f"{world.settings.origin(made['name'])}{OWN}")
    assert page.get_by_role("link", name="Open the notebook").evaluate("link => link.search") == ""
    page.context.close()


@pytest.mark.parametrize("script", [True, False])
def test_an_owner_whom_the_cookie_alone_knows_is_let_in_from_the_waiting_page(
    world: World, browser: Browser, complaints: list[str], script: bool
) -> None:
    made = queued(world)
    world.change(made, state="starting")
    page = tab(browser, complaints, java_script_enabled=script)
    page.goto(address(world, made, OWN))
    origin = world.settings.origin(made["name"])
    page.goto(f"{origin}/lab/tree/a%20b?reset=1")
    expect(page.get_by_role("heading", level=1)).to_have_text("Your notebook is starting")
    reachable(world, made)
    expect(page).to_have_title("The notebook")
    assert page.url == f"{origin}/lab/tree/a%20b?reset=1&token={TOKEN}"
    page.context.close()


@pytest.mark.parametrize("script", [True, False])
def test_an_owner_whom_the_cookie_alone_knows_opens_the_notebook_from_its_page(
    world: World, browser: Browser, complaints: list[str], script: bool
) -> None:
    made = running(world)
    page = tab(browser, complaints, java_script_enabled=script)
    origin = world.settings.origin(made["name"])
    page.goto(address(world, made, OWN))
    reachable(world, made)
    page.goto(f"{origin}{OWN}")
    page.get_by_role("link", name="Open the notebook").click()
    expect(page).to_have_title("The notebook")
    assert page.url == f"{origin}/?token={TOKEN}"
    page.context.close()


LEADS = {
    "a link": '<a id="go" href="{}">go</a>',
    "a window": "<button id=\"go\" onclick=\"window.open('{}', '_self')\">go</button>",
    "a redirect": '<button id="go" onclick="location = \'{}\'">go</button>',
    "a form": '<form action="{}"><button id="go">go</button></form>',
}


@pytest.mark.parametrize("way", LEADS)
def test_a_page_elsewhere_that_leads_there_opens_nothing_before_the_owner_does(
    world: World, browser: Browser, complaints: list[str], way: str
) -> None:
    made = running(world)
    page = tab(browser, complaints)
    page.goto(address(world, made, OWN))
    reachable(world, made)
    origin = world.settings.origin(made["name"])
    ELSEWHERES_PAGE[0] = LEADS[way].format(f"{origin}/.lightship/enter?next=%2Flab")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(world.settings.origin(ELSEWHERE))
    page.locator("#go").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Open your notebook?")
    assert not any("token" in url for url in asked)
    page.get_by_role("link", name="Open the notebook").click()
    expect(page).to_have_title("The notebook")
    page.context.close()


AHEAD = (
    '<iframe src="{0}?frame"></iframe><img src="{0}?image"><link rel="prefetch" href="{0}?prefetch">'
    '<script>fetch("{0}?fetch", {{mode: "no-cors", credentials: "include"}}).catch(() => 0)</script>'
)


def test_what_a_page_elsewhere_loads_without_its_reader_never_gets_the_token(world: World, browser: Browser) -> None:
    made = running(world)
    page = tab(browser, [])
    page.goto(address(world, made, OWN))
    reachable(world, made)
    ELSEWHERES_PAGE[0] = AHEAD.format(f"{world.settings.origin(made['name'])}/.lightship/enter")
    ENTERED.clear()
    page.goto(world.settings.origin(ELSEWHERE))
    for _ in range(50):
        if len(ENTERED) >= len(WAYS_AHEAD):
            break
        page.wait_for_timeout(100)
    assert set(ENTERED) == WAYS_AHEAD
    assert not any(ENTERED.values())
    page.context.close()


def test_whoever_has_no_token_is_asked_for_it_and_then_let_in(
    world: World, browser: Browser, complaints: list[str]
) -> None:
    made = queued(world)
    reachable(world, made)
    page = tab(browser, complaints, java_script_enabled=False)
    origin = world.settings.origin(made["name"])
    page.goto(f"{origin}/lab/tree/x")
    expect(page.get_by_role("heading", level=1)).to_have_text("This address needs its token")
    expect(page.get_by_role("alert")).to_have_count(0)
    page.get_by_label("Token").fill("f" * 32)
    page.get_by_role("button", name="Open").click()
    expect(page.get_by_role("alert")).to_contain_text("That is not the token of this address")
    page.get_by_label("Token").fill(f"{origin}?token={TOKEN}")
    page.keyboard.press("Enter")
    expect(page).to_have_title("The notebook")
    assert page.url == f"{origin}/lab/tree/x?token={TOKEN}"
    page.context.close()


def test_after_an_old_link_with_a_wrong_token_it_says_so(world: World, browser: Browser, complaints: list[str]) -> None:
    made = queued(world)
    reachable(world, made)
    page = tab(browser, complaints)
    page.goto(f"{world.settings.origin(made['name'])}/lab?token={'f' * 32}")
    expect(page.get_by_role("alert")).to_contain_text("That is not the token of this address")
    page.context.close()


# Playwright's browser has no notifications of its own: this one is asked and told as a browser's would be.
NOTIFICATIONS = """
window.sent = [];
window.Notification = class {
  static permission = "default";
  static requestPermission() { Notification.permission = "ANSWER"; return Promise.resolve("ANSWER"); }
  constructor(title) { window.sent.push(title); }
  close() {}
};
Object.defineProperty(document, "hidden", { get: () => Boolean(window.away) });
"""


def test_a_reader_who_asked_is_notified_when_the_notebook_is_ready_and_finds_it_when_back(
    world: World, browser: Browser, complaints: list[str]
) -> None:
    made = queued(world)
    page = tab(browser, complaints)
    page.add_init_script(NOTIFICATIONS.replace("ANSWER", "granted"))
    page.goto(address(world, made))
    assert page.evaluate("Notification.permission") == "default", "nobody is asked before the button is pressed"
    page.get_by_role("button", name="Notify me when it is ready").click()
    expect(page.get_by_text("You will be notified when it is ready")).to_be_visible()
    page.evaluate("window.away = true")
    reachable(world, made)
    expect(page).to_have_title("Your notebook is ready")
    assert page.evaluate("window.sent") == ["Your notebook is ready"]
    page.evaluate("window.away = false; document.dispatchEvent(new Event('visibilitychange'))")
    expect(page).to_have_title("The notebook")
    page.context.close()


def test_a_reader_who_asked_is_notified_five_minutes_before_the_end_and_once(
    world: World, browser: Browser, complaints: list[str]
) -> None:
    made = running(world)
    page = tab(browser, complaints)
    page.add_init_script(NOTIFICATIONS.replace("ANSWER", "granted"))
    page.goto(address(world, made, OWN))
    page.get_by_role("button", name="Notify me five minutes before its end").click()
    for left in (299, 200):
        world.change(made, expires_at=world.clock() + left)
        expect(page.get_by_role("alert")).to_contain_text(f"ends in {left // 60} min")
    (said,) = page.evaluate("window.sent")
    assert said.startswith("This notebook ends in 4 min, at ")
    page.context.close()


def test_a_reader_whose_browser_says_no_is_told_so_and_goes_on(
    world: World, browser: Browser, complaints: list[str]
) -> None:
    made = queued(world)
    page = tab(browser, complaints)
    page.add_init_script(NOTIFICATIONS.replace("ANSWER", "denied"))
    page.goto(address(world, made))
    page.get_by_role("button", name="Notify me when it is ready").click()
    expect(page.get_by_text("Your browser does not allow notifications from this page.")).to_be_visible()
    page.evaluate("window.away = true")
    reachable(world, made)
    expect(page).to_have_title("The notebook")
    page.context.close()


@pytest.mark.parametrize("width", [320, 1280])
def test_a_line_of_the_log_stays_a_line(world: World, browser: Browser, complaints: list[str], width: int) -> None:
    page = tab(browser, complaints, viewport={"width": width, "height": 800})
    page.goto(address(world, ended(world)))
    region = page.get_by_role("region", name="Its last lines")
    wider, rows = region.evaluate(
        "element => [element.scrollWidth > element.clientWidth, element.firstChild.getBoundingClientRect().height /"
        " parseFloat(getComputedStyle(element).lineHeight)]"
    )
    assert wider
    assert round(rows) == len(TAIL.splitlines())
    page.context.close()


@pytest.mark.parametrize("width", [320, 375, 500, 620, 1280])
def test_a_command_in_a_sentence_does_not_break(
    world: World, browser: Browser, complaints: list[str], width: int
) -> None:
    page = tab(browser, complaints, viewport={"width": width, "height": 800})
    landing(world, page)
    heights = page.locator("p > code").evaluate_all(
        "all => all.map((code) => Math.round(code.getBoundingClientRect().height / "
        "parseFloat(getComputedStyle(code).lineHeight)))"
    )
    assert heights == [1] * len(heights) != []
    page.context.close()


def test_after_the_time_was_over_a_longer_one_is_offered(world: World, browser: Browser, complaints: list[str]) -> None:
    page = tab(browser, complaints)
    page.goto(address(world, stopped(world)))
    expect(page.locator("[data-command]")).to_have_text("start-jupyter -p gpu -t 120")
    page.context.close()


def landing(world: World, page: Page) -> None:
    page.goto(f"https://{DOMAIN}:{world.settings.https_port}/")


def needs_token(world: World, page: Page) -> None:
    made = queued(world)
    reachable(world, made)
    page.goto(f"{world.settings.origin(made['name'])}/lab?token={'f' * 32}")


def opened_from_elsewhere(world: World, page: Page) -> None:
    made = running(world)
    page.goto(address(world, made, OWN))
    ELSEWHERES_PAGE[0] = LEADS["a link"].format(f"{world.settings.origin(made['name'])}/.lightship/enter")
    page.goto(world.settings.origin(ELSEWHERE))
    page.locator("#go").click()


@pytest.mark.parametrize("show", [landing, needs_token, opened_from_elsewhere])
def test_pages_of_no_link_in_particular_fit_and_are_easy_to_read_as_well(
    world: World, browser: Browser, complaints: list[str], show: Callable[[World, Page], None]
) -> None:
    for scheme in ("light", "dark"):
        page = tab(browser, complaints, color_scheme=scheme, viewport={"width": 320, "height": 600})
        show(world, page)
        expect(page.get_by_role("link", name="Guide", exact=True)).to_have_attribute("href", CENTRE.guide_url)
        expect(page.get_by_role("link", name="Contact Example")).to_have_attribute("href", "mailto:help@example.org")
        texts, faint = page.evaluate(FAINT)
        assert texts > 3
        assert faint == []
        assert page.evaluate("document.documentElement.scrollWidth") == 320
        page.context.close()


def test_the_keyboard_alone_ends_a_running_notebook(world: World, browser: Browser, complaints: list[str]) -> None:
    made = running(world)
    page = tab(browser, complaints)
    page.goto(address(world, made, OWN))
    for name in ("Open the notebook", "Notify me five minutes before its end", "End this notebook"):
        page.keyboard.press("Tab")
        expect(page.get_by_text(name)).to_be_focused()
        assert page.evaluate("parseFloat(getComputedStyle(document.activeElement).outlineWidth)") >= 2
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="End it now")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("You ended this notebook")
    page.context.close()


def test_the_end_of_a_running_notebook_brings_the_tombstone(
    world: World, browser: Browser, complaints: list[str]
) -> None:
    made = running(world)
    page = tab(browser, complaints)
    page.goto(address(world, made, OWN))
    expect(page.get_by_role("heading", level=1)).to_have_text("Your notebook is running")
    world.change(made, state="ended", cause="time-limit", ended_at=world.clock())
    expect(page.get_by_role("heading", level=1)).to_have_text("This notebook's time was up")
    page.context.close()


def test_a_waiting_room_at_the_pages_own_path_opens_the_notebook(
    world: World, browser: Browser, complaints: list[str]
) -> None:
    made = queued(world)
    page = tab(browser, complaints)
    page.goto(address(world, made, OWN))
    expect(page.get_by_text("All nodes are busy")).to_be_visible()
    world.change(made, state="ready", target=f"https://127.0.0.1:{next(PORTS)}")
    page.wait_for_url(address(world, made, "/"))
    page.context.close()


def test_without_javascript_a_running_notebooks_page_reads_the_same(
    world: World, browser: Browser, complaints: list[str]
) -> None:
    made = running(world)
    page = tab(browser, complaints, java_script_enabled=False)
    page.goto(address(world, made, OWN))
    expect(page.get_by_role("heading", level=1)).to_have_text("Your notebook is running")
    world.change(made, expires_at=world.clock() + 200)
    warning = re.compile(r"This notebook ends in 3 min, at \d\d:\d\d UTC: save your work")
    expect(page.get_by_role("heading", level=1)).to_have_text(warning)
    expect(page).to_have_title(warning)
    page.get_by_text("End this notebook").click()
    page.get_by_role("button", name="End it now").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("You ended this notebook")
    page.context.close()


def test_the_command_is_copied(world: World, browser: Browser, complaints: list[str]) -> None:
    page = tab(browser, complaints, permissions=["clipboard-read", "clipboard-write"])
    page.goto(address(world, ended(world)))
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_text("The command was copied.")).to_be_attached()
    assert page.evaluate("navigator.clipboard.readText()") == "start-jupyter -p gpu -t 60"
    page.context.close()


@pytest.mark.parametrize("kind", [queued, running, ending, ended, plain, gone])
def test_it_fits_a_narrow_screen_and_is_easy_to_read_by_day_and_night(
    world: World, browser: Browser, complaints: list[str], kind: Callable[[World], dict[str, Any]]
) -> None:
    made = kind(world)
    for scheme in ("light", "dark"):
        page = tab(browser, complaints, color_scheme=scheme, viewport={"width": 320, "height": 600})
        page.goto(address(world, made, OWN))
        for summary in page.locator("summary").all():
            summary.click()
        texts, faint = page.evaluate(FAINT)
        assert texts > 3
        assert faint == []
        assert page.evaluate("document.documentElement.scrollWidth") == 320
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") != (
            "rgb(255, 255, 255)" if scheme == "dark" else "rgb(16, 21, 28)"
        )
        page.context.close()


def test_headings_and_regions_have_names(world: World, browser: Browser, complaints: list[str]) -> None:
    page = tab(browser, complaints)
    page.goto(address(world, ended(world)))
    assert page.locator("html").get_attribute("lang") == "en"
    levels = [int(tag[1]) for tag in re.findall(r"<(h\d)", page.content())]
    assert levels == [1, 2, 2]
    region = page.get_by_role("region", name="Its last lines")
    region.focus()
    expect(region).to_be_focused()
    page.context.close()
