"""The part of many_links.py that runs on a compute node: plain Python.

Standard input holds the settings as one line of JSON, then one line for each link. Each link is claimed and published
at once, opened through the proxy if that is asked for, held for a while, and ended; or, without a time to hold them,
all of them are kept with heartbeats until the input ends. Standard output tells as JSON what came of each step.
"""

from __future__ import annotations

import http.client
import json
import queue
import socket
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from on_node import OK, Connection, Identity, Proxy, ask, notebook, stop

TOLD = json.loads(sys.stdin.readline())
PROXY = Proxy(TOLD["port"], TOLD["authority"])
IDENTITY = Identity()
HEARTBEAT_SECONDS = 20.0
WORKERS = 16
OPEN: queue.Queue[Open | None] = queue.Queue()
PRINTING = threading.Lock()
MINE = threading.local()


@dataclass(frozen=True)
class Open:
    """A link whose notebook answers, and what it was told of."""

    link: dict[str, Any]
    listener: socket.socket
    since: float


def tell(link: dict[str, Any], step: str, began: float, problem: str = "") -> None:
    """Say what came of a step; a problem is a sentence."""
    said = {"name": link["name"], "step": step, "ms": (time.perf_counter() - began) * 1e3, "problem": problem}
    with PRINTING:
        print(json.dumps(said), flush=True)


def registry() -> Connection:
    """This thread's own connection, kept as an agent of many jobs would."""
    if not hasattr(MINE, "registry"):
        MINE.registry = PROXY.connection(TOLD["registry"])
    kept: Connection = MINE.registry
    return kept


def put(link: dict[str, Any], step: str, **body: object) -> bytes:
    """Put one of the job's requests to the registry; nothing is returned when it failed, which was told."""
    began = time.perf_counter()
    try:
        status, answer = ask(registry(), "POST", f"/v1/links/{link['name']}/{step}", link["secret"], **body)
    except (OSError, http.client.HTTPException) as error:
        del MINE.registry
        tell(link, step, began, repr(error))
        return b""
    tell(link, step, began, "" if status == OK else f"{status} {answer!r}")
    return answer if status == OK else b""


def visit(link: dict[str, Any]) -> None:
    """Open the link as a browser does, on a connection of its own."""
    began = time.perf_counter()
    try:
        browser = PROXY.connection(f"{link['name']}.{TOLD['domain']}")
        status, _ = ask(browser, "GET", "/api")
        browser.close()
    except (OSError, http.client.HTTPException) as error:
        tell(link, "visit", began, repr(error))
    else:
        tell(link, "visit", began, "" if status == OK else str(status))


def begin(link: dict[str, Any]) -> None:
    """Claim, publish and visit a link, and have it ended when its time comes."""
    claimed = put(link, "claim", csr=IDENTITY.csr)
    if not claimed:
        return
    try:
        listener = notebook(link["port"], IDENTITY.context(claimed))
    except OSError as error:
        tell(link, "listen", time.perf_counter(), repr(error))
        return
    published = put(link, "target", port=link["port"])
    OPEN.put(Open(link, listener, time.monotonic()))
    if published and link["visit"]:
        visit(link)


def end(live: Open) -> None:
    """End a link, then its notebook."""
    put(live.link, "end", cause="ended")
    stop(live.listener)


def end_in_time(seconds: float) -> None:
    """End each link when it was held for so long, until there are no more."""
    with ThreadPoolExecutor(WORKERS) as pool:
        while live := OPEN.get():
            time.sleep(max(0.0, live.since + seconds - time.monotonic()))
            pool.submit(end, live)


def keep(over: threading.Event) -> None:
    """Keep all links with heartbeats until it is over, then end them."""
    while not over.wait(HEARTBEAT_SECONDS):
        for live in list(OPEN.queue):
            if live:
                put(live.link, "heartbeat")
    end_in_time(0)


def main() -> None:
    """Take links until the input ends, and leave none behind."""
    over = threading.Event()
    hold: float | None = TOLD["hold"]
    ending = threading.Thread(target=lambda: keep(over) if hold is None else end_in_time(hold))
    ending.start()
    with ThreadPoolExecutor(WORKERS) as beginning:
        for line in sys.stdin:
            beginning.submit(begin, json.loads(line))
    OPEN.put(None)
    over.set()
    ending.join()


main()
