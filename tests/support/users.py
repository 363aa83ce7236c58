"""Users at other addresses than the test's own, who work with links while the test does something else."""

from __future__ import annotations

import contextlib
import json
import shlex
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from testinfra.host import Host

from support.bed import AUTHORITY, eventually
from support.fake_notebook import ROUTES
from support.proxy_host import DOMAIN, PROXY

PROGRAM = Path(__file__).with_name("users_on_host.py").read_text(encoding="utf-8")
DONE, SAID = "/run/users-of-links.done", "/run/users-of-links.log"
LONGEST_SECONDS = 400


@contextlib.contextmanager
def at_work(
    host: Host,
    links: Sequence[str],
    *,
    clients: int = 1,
    pause: float = 0.02,
    sockets: int = 0,
    rate: int = 0,
    route: str = "",
) -> Iterator[dict[str, Any]]:
    """Have users on the host ask links until the block ends; the dictionary then has what they met.

    Each answer must be the notebook's of `fake_notebook.reply`, and each WebSocket's that of `echo`.

    Args:
        host: the proxy's host.
        links: names of the links that they ask.
        clients: how many requests there are at a time, each on a new connection.
        pause: seconds between two requests of a client.
        sockets: how many WebSockets they keep open and use.
        rate: how many further links come and go each second; each is asked at most once.
        route: the route file of those.

    Yields:
        figures: those of `users_on_host.Users.figures`.
    """
    told: dict[str, object] = {
        "address": PROXY,
        "domain": DOMAIN,
        "authority": AUTHORITY.read_text(),
        "done": DONE,
        "links": list(links),
    }
    told |= {"clients": clients, "pause": pause, "sockets": sockets, "rate": rate, "routes": ROUTES, "route": route}
    program = shlex.join(["timeout", str(LONGEST_SECONDS), "python3", "-c", PROGRAM])
    command = f"echo {shlex.quote(json.dumps(told))} | {program} >{SAID} 2>&1"
    found: dict[str, Any] = {}
    host.check_output(f"rm -f {DONE} {SAID}")
    thread = threading.Thread(target=host.run, args=[command])
    thread.start()
    try:
        eventually(lambda: '"open"' in host.run(f"cat {SAID}").stdout, f"the users do not begin; {SAID} says why")
        yield found
    finally:
        host.check_output(f"touch {DONE}")
        thread.join()
    found.update(json.loads(host.check_output(f"cat {SAID}").splitlines()[-1]))
    host.check_output(f"rm {DONE} {SAID}")
    brief = {name: round(value, 3) for name, value in found.items() if name != "failures"}
    print(f"Users meanwhile: {brief}, {len(found['failures'])} failed")
