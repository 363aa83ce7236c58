"""The part of link_life.py that runs on the compute node: plain Python, settings and links as a line of JSON."""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from on_node import OK, Connection, Identity, Proxy, ask, notebook, stop

TOLD = json.loads(sys.stdin.readline())
PROXY = Proxy(TOLD["port"], TOLD["authority"])
IDENTITY = Identity()


def live(registry: Connection, link: dict[str, Any]) -> dict[str, float]:
    """One link from its notebook's first answer to its end; times in milliseconds."""
    path = f"/v1/links/{link['name']}"
    status, body = ask(registry, "POST", f"{path}/claim", link["secret"], csr=IDENTITY.csr)
    if status != OK:
        raise SystemExit(f"claim: {status} {body!r}")
    browser = PROXY.connection(f"{link['name']}.{TOLD['domain']}")
    listener = notebook(link["port"], IDENTITY.context(body))
    begin = time.perf_counter()
    published, body = ask(registry, "POST", f"{path}/target", link["secret"], port=link["port"])
    first, _ = ask(browser, "GET", "/api")
    alive = time.perf_counter()
    if published != OK:
        raise SystemExit(f"target: {published} {body!r}")
    ask(registry, "POST", f"{path}/end", link["secret"])
    while ask(browser, "GET", "/api")[0] == OK:
        pass
    over = time.perf_counter()
    stop(listener)
    return {"missed": first != OK, "activation": (alive - begin) * 1e3, "end": (over - alive) * 1e3}


registry = PROXY.connection(TOLD["registry"])
print(json.dumps([live(registry, link) for link in TOLD["links"]]))
