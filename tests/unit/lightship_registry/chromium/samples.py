"""Links in the states that have a page."""

from __future__ import annotations

import itertools
from typing import Any

from lightship_registry.core.records import LinkRequest, Owner
from unit.lightship_registry.testbed import TOKEN, TOKEN_SHA256, Testbed

PORTS = itertools.count(20000)
TAIL = "\n".join(f"slurmstepd: line {number} " + "x" * 200 for number in range(20))


def plain(testbed: Testbed, token_sha256: str = "") -> dict[str, Any]:
    # Not asked for over HTTP: the testbed's client has a loop of its own, and so has Playwright.
    wish = LinkRequest(1800, "Protein folding", "start-jupyter -p gpu -t 60", token_sha256)
    link, _ = testbed.links.create(Owner("demo", "alice"), wish)
    return {"name": link.name}


def queued(testbed: Testbed) -> dict[str, Any]:
    made = plain(testbed, TOKEN_SHA256)
    testbed.change(
        made, job_id="4711", job_state="queued", job_reason="All nodes are busy", job_start=testbed.clock() + 1500
    )
    return made


def ended(testbed: Testbed) -> dict[str, Any]:
    made = queued(testbed)
    testbed.change(made, state="ended", cause="failed", ended_at=testbed.clock(), reason="Jupyter broke", tail=TAIL)
    return made


def running(testbed: Testbed, left: float = 1190) -> dict[str, Any]:
    made, now = queued(testbed), testbed.clock()
    target = f"https://127.0.0.1:{next(PORTS)}"
    testbed.change(made, state="ready", target=target, ready_at=now - 60, expires_at=now + left, lease_until=now + 3600)
    return made


def ending(testbed: Testbed) -> dict[str, Any]:
    return running(testbed, 299)


def gone(_testbed: Testbed) -> dict[str, Any]:
    return {"name": "no-such-name"}


def stopped(testbed: Testbed) -> dict[str, Any]:
    made = queued(testbed)
    testbed.change(made, state="ended", cause="time-limit", ready_at=1.0, ended_at=testbed.clock(), seconds=3600)
    return made


def reachable(testbed: Testbed, made: dict[str, Any]) -> None:
    """Its notebook answers from now on."""
    target, now = f"https://127.0.0.1:{next(PORTS)}", testbed.clock()
    testbed.parts.routes.write(made["name"], target)
    ends = {"expires_at": now + 1150, "lease_until": now + 3600}
    testbed.change(made, state="ready", target=target, ready_at=now, **ends)


def address(testbed: Testbed, made: dict[str, Any], path: str = "/lab") -> str:
    return f"{testbed.settings.origin(made['name'])}{path}?token={TOKEN}"
