"""The pages in Chromium.

Names are found by a rule of the browser's own; the certificate is nobody's, because TLS is not what is looked at here.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import uvicorn
from playwright.sync_api import Browser, Page, sync_playwright

from lightship_registry.pages import events, views
from lightship_registry.server import Server
from support.chromium import FLAGS, PROGRAM
from unit.lightship_registry.chromium.stand_in import CENTRE, StandIn, Tab, tls
from unit.lightship_registry.testbed import DOMAIN, NODE, Testbed, build_testbed

RULE = f"--host-resolver-rules=MAP *.{DOMAIN} {NODE}, MAP {DOMAIN} {NODE}"


@pytest.fixture(scope="module")
def testbed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Testbed]:
    folder = tmp_path_factory.mktemp("testbed")
    with socket.create_server((NODE, 0)) as listener, pytest.MonkeyPatch.context() as patch:
        patch.setattr(events, "LOOK_SECONDS", 0.1)
        patch.setattr(views, "REFRESH_SECONDS", 1)
        patch.setattr(views, "STATUS_REFRESH_SECONDS", 1)
        port = listener.getsockname()[1]
        testbed = build_testbed(folder, https_port=port, user_quota=100, message="Backup at night.", centre=CENTRE)
        config = uvicorn.Config(
            StandIn(testbed), log_config=None, access_log=False, lifespan="off", ws="none", http="h11"
        )
        config.load()
        config.ssl = tls(folder)
        server = Server(config, testbed.app)
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        yield testbed
        server.should_exit = True
        thread.join(10)
        assert not thread.is_alive(), "the service does not stop"
    testbed.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=PROGRAM, args=[*FLAGS, RULE])
        yield started
        started.close()


@pytest.fixture
def complaints() -> Iterator[list[str]]:
    """What the browser says against the page, which must be nothing."""
    said: list[str] = []
    yield said
    assert [text for text in said if "Failed to load resource" not in text] == []


@pytest.fixture
def tab(browser: Browser, complaints: list[str]) -> Iterator[Tab]:
    opened = []

    def open_tab(**options: Any) -> Page:
        context = browser.new_context(ignore_https_errors=True, **options)
        opened.append(context)
        context.set_default_timeout(20_000)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        return page

    yield open_tab
    for context in opened:
        context.close()
