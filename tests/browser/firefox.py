"""Debian's Firefox, spoken to by WebDriver BiDi, which it has built in.

Playwright's own Firefox is another build, and its client of this protocol needs a newer one than Debian's.
"""

from __future__ import annotations

import itertools
import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

from browser.window import trust_in

SECONDS = 60
LISTENS = re.compile(r"WebDriver BiDi listening on (ws://\S+)")
# It asks nobody for anything but what the test has it ask for, and every name is the proxy's.
QUIET = {
    "app.normandy.enabled": False,
    "app.update.disabledForTesting": True,
    "browser.safebrowsing.malware.enabled": False,
    "browser.safebrowsing.phishing.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "browser.startup.page": 0,
    "datareporting.policy.dataSubmissionEnabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "network.proxy.type": 0,
    "services.settings.server": "data:,#remote-settings-dummy/v1",
    "toolkit.telemetry.server": "data:,",
    # A page opens a window without a click.
    "dom.disable_open_during_load": False,
}


class FirefoxError(Exception):
    """Firefox refused a command, or a script threw an error."""


class Firefox:
    """A tab of a running Firefox."""

    def __init__(self, connection: ClientConnection) -> None:
        """Begin a session on the connection, and use the tab that is open."""
        self._connection = connection
        self._numbers = itertools.count()
        self._ask("session.new", capabilities={})
        self._tab = self._ask("browsingContext.getTree")["contexts"][0]["context"]

    def goto(self, address: str) -> None:
        """Open an address and wait until its page is there."""
        self._ask("browsingContext.navigate", context=self._tab, url=address, wait="complete")

    def evaluate(self, function: str, argument: object = None) -> Any:
        """Return what a function of JavaScript, or its promise, gives for an argument of JSON.

        Raises:
            FirefoxError: the function threw an error.
        """
        call = f"Promise.resolve(({function})({json.dumps(argument)})).then(JSON.stringify)"
        target = {"context": self._tab}
        answer = self._ask("script.evaluate", expression=call, target=target, awaitPromise=True)
        if answer["type"] != "success":
            raise FirefoxError(answer["exceptionDetails"]["text"])
        return json.loads(answer["result"].get("value", "null"))

    def _ask(self, method: str, **parameters: object) -> dict[str, Any]:
        number = next(self._numbers)
        self._connection.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            answer = json.loads(self._connection.recv(SECONDS))
            if answer.get("id") == number:
                break
        if answer["type"] == "error":
            raise FirefoxError(f"{method}: {answer['error']}: {answer['message']}")
        found: dict[str, Any] = answer["result"]
        return found


@contextmanager
def firefox(home: Path, address: str) -> Iterator[Firefox]:
    """Yield a tab of a new Firefox that trusts the bed's authority.

    Args:
        home: an empty folder for its profile.
        address: where every name leads.
    """
    profile = home / "firefox"
    trust_in(profile)
    settings = {**QUIET, "network.dns.forceResolve": address}
    lines = (f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in settings.items())
    (profile / "user.js").write_text("".join(lines))
    with subprocess.Popen(
        ["firefox-esr", "--headless", "--no-remote", "--remote-debugging-port=0", "--profile", profile],
        env={"HOME": str(home), "PATH": "/usr/bin:/bin"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stderr
            found = next(filter(None, map(LISTENS.search, process.stderr)), None)
            assert found, "Firefox ended before it listened"
            with connect(f"{found[1]}/session", open_timeout=SECONDS, max_size=None) as connection:
                yield Firefox(connection)
        finally:
            process.kill()
