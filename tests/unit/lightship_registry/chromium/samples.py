"""Links in the states that have a page."""

from __future__ import annotations

import itertools
from typing import Any

from lightship_registry.core.records import Owner, Wish
from unit.lightship_registry.world import TOKEN, TOKEN_SHA256, World

PORTS = itertools.count(20000)
TAIL = "\n".join(f"slurmstepd: line {number} " + "x" * 200 for number in range(20))


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


def running(world: World, left: float = 1190) -> dict[str, Any]:
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
    world.parts.routes.write(made["name"], target)
    ends = {"expires_at": now + 1150, "lease_until": now + 3600}
    world.change(made, state="ready", target=target, ready_at=now, **ends)


def address(world: World, made: dict[str, Any], path: str = "/lab") -> str:
    return f"{world.settings.origin(made['name'])}{path}?token={TOKEN}"
