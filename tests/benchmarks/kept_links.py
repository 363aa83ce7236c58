"""Links that are in use while something else goes on, and what their users see of it."""

from __future__ import annotations

import base64
import http.client
import json
import secrets
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agents_and_nodes import program_on, proxy, told
from on_node import OK, WEBSOCKET_ANSWER, ask

from support import bed

PAUSE_SECONDS = 0.5
# A masked text frame with two letters, as browsers send it.
FRAME = b"\x81\x82\0\0\0\0hi"
PROGRAM = Path(__file__).with_name("many_links_on_node.py")


@dataclass
class Seen:
    """What the users of some links saw."""

    milliseconds: list[float] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    frames: int = 0


class User(threading.Thread):
    """One who has a link open: a request and a WebSocket's message every half second."""

    def __init__(self, name: str, seen: Seen, over: threading.Event) -> None:
        super().__init__()
        self._host = f"{name}.{bed.DOMAIN}"
        self._seen = seen
        self._over = over

    def run(self) -> None:
        """Work until it is over."""
        browser, websocket = proxy().connection(self._host), self._websocket()
        while not self._over.wait(PAUSE_SECONDS):
            began = time.perf_counter()
            try:
                self._require(ask(browser, "GET", "/api")[0] == OK, "a request was not answered by the notebook")
                self._seen.milliseconds.append((time.perf_counter() - began) * 1e3)
                websocket.sendall(FRAME)
                self._require(websocket.recv(64) == WEBSOCKET_ANSWER, "the WebSocket was closed")
                self._seen.frames += 1
            except (OSError, http.client.HTTPException) as error:
                self._seen.failed.append(f"{time.strftime('%T')} {self._host}: {error!r}")
                # The next request opens another connection by itself.
                browser.close()
                websocket = self._websocket()

    def _websocket(self) -> socket.socket:
        opened = proxy().connection(self._host)
        key = base64.b64encode(secrets.token_bytes(16)).decode()
        headers = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13"}
        headers |= {"Sec-WebSocket-Key": key, "Origin": f"https://{self._host}:{bed.PORT}"}
        opened.request("GET", "/api/kernels/x/channels", headers=headers)
        connected: socket.socket = opened.sock
        if opened.getresponse().status != http.client.SWITCHING_PROTOCOLS:
            self._seen.failed.append(f"{time.strftime('%T')} {self._host}: no WebSocket was opened")
        return connected

    @staticmethod
    def _require(fine: bool, complaint: str) -> None:
        if not fine:
            raise ConnectionError(complaint)


@contextmanager
def in_use(node: str, links: list[dict[str, Any]]) -> Iterator[Seen]:
    """Publish the links on a node, and use each of them meanwhile."""
    seen, over = Seen(), threading.Event()
    with program_on(node, PROGRAM, {**told(), "hold": None}) as keeping:
        assert keeping.stdin
        for link in links:
            keeping.stdin.write(json.dumps(link) + "\n")
        _wait_for(keeping, len(links))
        users = [User(link["name"], seen, over) for link in links]
        for user in users:
            user.start()
        try:
            yield seen
        finally:
            over.set()
            for user in users:
                user.join()
            keeping.communicate()


def _wait_for(keeping: subprocess.Popen[str], count: int) -> None:
    assert keeping.stdout
    while count:
        said = json.loads(keeping.stdout.readline())
        if said["problem"]:
            raise SystemExit(f"A link that was to be in use meanwhile could not be opened: {said}")
        count -= said["step"] == "visit"
