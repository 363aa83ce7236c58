"""Whoever tries names learns nothing from them: what is unknown, ended and another's is answered alike."""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.types import Message

from lightship_registry.core.records import Cause, Ending, Owner, Wish
from lightship_registry.links import names
from unit.lightship_registry.world import DOMAIN, TOKEN_SHA256, World, build_world

# As many as are asked for; 20,000 take half a minute, a million half an hour.
NAMES = int(os.environ.get("LIGHTSHIP_NAMES", "20000"))
PATHS = ("/", "/lab", "/status", "/events", "/running", "/enter", "/none")
OLD, WAITING, RUNNING = 200, 100, 100
ALICE = Owner("demo", "alice")
# What was answered: status, headers, body.
Answer = tuple[int, tuple[tuple[bytes, bytes], ...], bytes]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = build_world(tmp_path, user_quota=10**6, user_creations_per_hour=10**6)
    yield world
    world.close()


def made(world: World, count: int, *, end: bool = False, run: bool = False) -> list[str]:
    found = []
    for number in range(count):
        link, _secret = world.links.create(ALICE, Wish(3600, "Protein folding", token_sha256=TOKEN_SHA256))
        if end:
            world.links.end(link, Ending(Cause.FAILED, "Told to nobody.", "last line"))
        if run:
            world.change({"name": link.name}, state="ready", target=f"https://127.0.0.1:{number}")
        found.append(link.name)
    return found


async def ask(world: World, name: str, method: str, path: str, token: str) -> Answer:
    headers = [(b"host", f"{name}.{DOMAIN}:8443".encode()), (b"x-lightship-token", token.encode())]
    scope = {"type": "http", "method": method, "path": path, "query_string": b"", "headers": headers}
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    await world.app(scope, receive, send)
    body = b"".join(message.get("body", b"") for message in sent[1:])
    return sent[0]["status"], tuple(sent[0]["headers"]), body


def answers(world: World, asked: list[tuple[str, str, str, str]]) -> Counter[Answer]:
    async def go() -> Counter[Answer]:
        return Counter([await ask(world, *each) for each in asked])

    return asyncio.run(go())


def test_names_cannot_be_told_apart(world: World) -> None:
    chance = random.Random(7)  # noqa: S311 - only to be the same each time
    ended, waiting, running = made(world, OLD, end=True), made(world, WAITING), made(world, RUNNING, run=True)
    tokens = ["", "0" * 32, "nonsense"]
    ways = [("GET", path) for path in PATHS] + [("POST", path) for path in ("/cancel", "/enter")]
    asked = [(name, *way, token) for name in (*ended, *waiting, *running) for way in ways for token in tokens]
    while len(asked) < NAMES:
        name = "-".join(chance.sample(names.words(), 3))
        asked.append((name, *chance.choice(ways), chance.choice(tokens)))
    chance.shuffle(asked)

    seen = answers(world, asked)
    assert seen.total() == NAMES
    ((status, headers, body),) = seen
    assert status == 404
    assert dict(headers)[b"content-length"] == f"{len(body)}".encode()
    assert all(world.store.find(name) is not None for name in (*ended, *waiting))
    assert {link.state for name in waiting if (link := world.store.find(name))} == {"waiting"}
    assert {link.state for name in running if (link := world.store.find(name))} == {"ready"}


def test_running_names_say_that_they_run_as_their_notebooks_do_and_cannot_be_told_from_each_other(world: World) -> None:
    running = made(world, 5, run=True)
    for name in running:
        world.change({"name": name}, lease_until=world.clock() + 90, title=name, node=name)
    for way in (("GET", "/status"), ("GET", "/enter"), ("POST", "/enter")):
        seen = answers(world, [(name, *way, token) for name in running for token in ("", "0" * 32)])
        ((status, _headers, _body),) = seen
        assert status == 403
    for way in (("GET", "/"), ("GET", "/running"), ("POST", "/cancel")):
        seen = answers(world, [(name, *way, "") for name in (*running, "no-such-name")])
        assert len(seen) == 1
