"""Links come and go by the hundred, certificates change and the web server reloads: nobody who works notices.

`LOAD_SECONDS=60` makes it last longer than the changes of certificates take.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from testinfra.host import Host

from support.bed import eventually
from support.deploy import RENEW
from support.fake_notebook import Authority, Browser, Route, Start, echo, reply
from support.proxy_host import DOMAIN, SERVER, TESTINFRA_HOSTS
from support.users import at_work

testinfra_hosts = TESTINFRA_HOSTS

LINKS = [
    f"{first}-river-{last}" for first in ("quiet", "other", "third", "sunny", "rainy") for last in ("stone", "water")
]
SOCKETS, RATE, CHANGES = 300, 100, 3
# The time that Debian's own unit of nginx waits for open connections, which a WebSocket uses up.
PATIENCE_MICROSECONDS = 5_000_000
SECONDS = float(os.environ.get("LOAD_SECONDS", "0"))


def either(connection: socket.socket, request: bytes) -> None:
    """Answer a request, or say everything twice over a WebSocket."""
    (echo if b"Upgrade: websocket" in request else reply)(connection, request)


def shown(browser: Browser) -> bytes | None:
    """Return the certificate that a link's users are shown."""
    with browser.connect(f"{LINKS[0]}.{DOMAIN}") as connection:
        return connection.getpeercert(binary_form=True)


def new_certificate(host: Host, browser: Browser) -> None:
    """Have a new one issued, and wait until users are shown it."""
    before = shown(browser)
    host.check_output(RENEW + DOMAIN)
    host.check_output(f"systemctl reload {SERVER.unit}")
    eventually(lambda: shown(browser) != before, "the old certificate is shown")


@pytest.mark.once
def test_nobody_notices_changing_links_new_certificates_and_reloads(
    host: Host,
    start: Start,
    route: Route,
    browser: Browser,
    links: Authority,
    tmp_path: Path,
    allow_files: Callable[[int], None],
) -> None:
    allow_files(4 * SOCKETS)
    # One notebook for all links, whose certificate is good for every name.
    notebook = start(LINKS[0], handler=either, certificate=links.issue(tmp_path, f"*.{DOMAIN}"))
    for name in LINKS[1:]:
        route(name, f"{notebook.route}\\n")
    working = at_work(host, LINKS, clients=6, pause=0, sockets=SOCKETS, rate=RATE, route=f"{notebook.route}\n")
    with working as found:
        began = time.monotonic()
        for _ in range(CHANGES):
            new_certificate(host, browser)
            host.check_output(f"systemctl reload {SERVER.unit}")
        time.sleep(max(0.0, began + SECONDS - time.monotonic()))
    assert (found["failures"], found["cut"]) == ([], 0)
    assert found["went"] > CHANGES


def test_a_restart_does_not_wait_for_open_websockets(host: Host, start: Start, browser: Browser) -> None:
    start(LINKS[0], handler=either)
    with browser.websocket(f"{LINKS[0]}.{DOMAIN}", "/api/kernels/1/channels"):
        host.check_output(f"systemctl restart {SERVER.unit}")
    stopping, stopped = (
        int(host.check_output(f"systemctl show --value --property={name}TimestampMonotonic {SERVER.unit}"))
        for name in ("ActiveExit", "InactiveEnter")
    )
    assert stopped - stopping < PATIENCE_MICROSECONDS
    assert browser.ask(f"{LINKS[0]}.{DOMAIN}", "/").status == httpx.codes.OK
