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

from lightship_registry.core.records import Cause, Ending, LinkRequest, Owner
from lightship_registry.links import names
from unit.lightship_registry.testbed import DOMAIN, TOKEN_SHA256, Testbed, build_testbed

# As many as are asked for; 20,000 take half a minute, a million half an hour.
NAMES = int(os.environ.get("LIGHTSHIP_NAMES", "20000"))
PATHS = ("/", "/lab", "/status", "/events", "/running", "/enter", "/none")
OLD, WAITING, RUNNING = 200, 100, 100
ALICE = Owner("demo", "alice")
# What was answered: status, headers, body.
Answer = tuple[int, tuple[tuple[bytes, bytes], ...], bytes]


@pytest.fixture
def testbed(tmp_path: Path) -> Iterator[Testbed]:
    testbed = build_testbed(tmp_path, user_quota=10**6, user_creations_per_hour=10**6)
    yield testbed
    testbed.close()


def made(testbed: Testbed, count: int, *, end: bool = False, run: bool = False) -> list[str]:
    found = []
    for number in range(count):
        link, _secret = testbed.links.create(ALICE, LinkRequest(3600, "Protein folding", token_sha256=TOKEN_SHA256))
        if end:
            testbed.links.end(testbed.store.get(link.name), Ending(Cause.FAILED, "Told to nobody.", "last line"))
        if run:
            testbed.change({"name": link.name}, state="ready", target=f"https://127.0.0.1:{number}")
        found.append(link.name)
    return found


async def ask(testbed: Testbed, name: str, method: str, path: str, token: str) -> Answer:
    headers = [(b"host", f"{name}.{DOMAIN}:8443".encode()), (b"x-lightship-token", token.encode())]
    scope = {"type": "http", "method": method, "path": path, "query_string": b"", "headers": headers}
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    await testbed.app(scope, receive, send)
    body = b"".join(message.get("body", b"") for message in sent[1:])
    return sent[0]["status"], tuple(sent[0]["headers"]), body


def answers(testbed: Testbed, asked: list[tuple[str, str, str, str]]) -> Counter[Answer]:
    async def go() -> Counter[Answer]:
        return Counter([await ask(testbed, *each) for each in asked])

    return asyncio.run(go())


def test_names_cannot_be_told_apart(testbed: Testbed) -> None:
    chance = random.Random(7)  # noqa: S311 - only to be the same each time
    ended, waiting, running = made(testbed, OLD, end=True), made(testbed, WAITING), made(testbed, RUNNING, run=True)
    tokens = ["", "0" * 32, "nonsense"]
    ways = [("GET", path) for path in PATHS] + [("POST", path) for path in ("/cancel", "/enter")]
    asked = [(name, *way, token) for name in (*ended, *waiting, *running) for way in ways for token in tokens]
    while len(asked) < NAMES:
        name = "-".join(chance.sample(names.words(), 3))
        asked.append((name, *chance.choice(ways), chance.choice(tokens)))
    chance.shuffle(asked)

    seen = answers(testbed, asked)
    assert seen.total() == NAMES
    ((status, headers, body),) = seen
    assert status == 404
    assert dict(headers)[b"content-length"] == f"{len(body)}".encode()
    assert all(testbed.store.find(name) is not None for name in (*ended, *waiting))
    assert {link.state for name in waiting if (link := testbed.store.find(name))} == {"waiting"}
    assert {link.state for name in running if (link := testbed.store.find(name))} == {"ready"}


def test_running_names_say_that_they_run_as_their_notebooks_do_and_cannot_be_told_from_each_other(
    testbed: Testbed,
) -> None:
    running = made(testbed, 5, run=True)
    for name in running:
        testbed.change({"name": name}, lease_until=testbed.clock() + 90, title=name, node=name)
    for way in (("GET", "/status"), ("GET", "/enter"), ("POST", "/enter")):
        seen = answers(testbed, [(name, *way, token) for name in running for token in ("", "0" * 32)])
        ((status, _headers, _body),) = seen
        assert status == 403
    for way in (("GET", "/"), ("GET", "/running"), ("POST", "/cancel")):
        seen = answers(testbed, [(name, *way, "") for name in (*running, "no-such-name")])
        assert len(seen) == 1
