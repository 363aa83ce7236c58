"""Another program that locks the store stops those who write; damage in its log undoes nothing that was promised."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy.exc import OperationalError

from lightship_registry.core import thread_slots
from lightship_registry.core.records import Cause, Ending
from lightship_registry.store import sqlite_writing
from lightship_registry.store.nonces import NonceStore
from lightship_registry.store.schema import BUSY_SECONDS
from unit.lightship_registry.test_app import running
from unit.lightship_registry.testbed import Testbed

BODY = b'{"user": "alice", "seconds": 600, "title": ""}'


@contextmanager
def locked(testbed: Testbed) -> Iterator[None]:
    """Another program is in the middle of a change."""
    with closing(sqlite3.connect(testbed.settings.store_file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


async def creations(testbed: Testbed, client: httpx.AsyncClient, count: int) -> list[asyncio.Task[httpx.Response]]:
    sends = []
    for _ in range(count):
        headers = {"Host": testbed.settings.registry_host, "X-Real-IP": "127.0.0.1"}
        headers |= testbed.signed("POST", "/v1/links", BODY)
        sends.append(asyncio.create_task(client.post("/v1/links", content=BODY, headers=headers)))
    await asyncio.sleep(0)
    return sends


@pytest.mark.parametrize("writers", [3, 12])
def test_who_waits_for_a_locked_store_keeps_nobody_from_reading(testbed: Testbed, writers: int) -> None:
    page = {"Host": f"{testbed.create()['name']}.{testbed.settings.domain}", "X-Real-IP": "127.0.0.1"}

    async def go() -> list[int]:
        transport = httpx.ASGITransport(testbed.app)
        async with running(testbed), httpx.AsyncClient(transport=transport, base_url="https://x") as client:
            with locked(testbed):
                waiting = await creations(testbed, client, writers)
                # Each of the pages needs a thread and the store: none waits for as long as the writers do.
                for _ in range(5):
                    async with asyncio.timeout(BUSY_SECONDS / 2):
                        assert (await client.get("/", headers=page)).status_code == 503
                assert not [each for each in waiting if each.done()]
            return [answer.status_code for answer in await asyncio.gather(*waiting)]

    # And when the store is free again, all that waited is done.
    assert set(asyncio.run(go())) == ({201} if writers < 10 else {201, 429})


def test_not_everybody_waits(testbed: Testbed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thread_slots, "MOST_WAITING", 1)

    async def go() -> list[int]:
        transport = httpx.ASGITransport(testbed.app)
        async with running(testbed), httpx.AsyncClient(transport=transport, base_url="https://x") as client:
            with locked(testbed):
                waiting = await creations(testbed, client, 2)
                done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                assert [task.result().json()["code"] for task in done] == ["registry-error"]
            return sorted([task.result().status_code for task in done] + [(await each).status_code for each in waiting])

    assert set(asyncio.run(go())) == {201, 500}


def test_a_store_that_stays_locked_is_said_to_be(testbed: Testbed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_writing, "BUSY_SECONDS", 0.2)
    failures = testbed.database.failures
    with locked(testbed), pytest.raises(OperationalError, match="database is locked"):
        NonceStore(testbed.database).forget(0.0)
    # Once, though it was tried twice.
    assert testbed.database.failures == failures + 1
    NonceStore(testbed.database).forget(0.0)


def after_a_crash(testbed: Testbed, folder: Path) -> dict[str, str]:
    """The states of links in a store whose log is damaged in the middle of each of its pages."""
    folder.mkdir()
    store = folder / "copy.sqlite3"
    store.write_bytes(testbed.settings.store_file.read_bytes())
    log = bytearray(testbed.settings.store_file.with_name(testbed.settings.store_file.name + "-wal").read_bytes())
    for at in range(32 + 24 + 2048, len(log), 24 + 4096):
        log[at] ^= 0xFF
    store.with_name("copy.sqlite3-wal").write_bytes(log)
    with closing(sqlite3.connect(store)) as database:
        return dict(database.execute("SELECT name, state FROM links"))


def ready(testbed: Testbed) -> dict[str, Any]:
    made = testbed.create()
    testbed.claim(made)
    testbed.publisher.publish(testbed.links.of_secret(made["name"], made["secret"]), "127.0.0.1:4567")
    assert testbed.database.settle()
    return made


def test_damage_in_the_log_undoes_what_is_in_it_alone(testbed: Testbed, tmp_path: Path) -> None:
    made = ready(testbed)
    testbed.links.end(testbed.links.of_secret(made["name"], made["secret"]), Ending(Cause.CANCELLED, "Over."))
    assert after_a_crash(testbed, tmp_path / "before")[made["name"]] == "ready"
    testbed.sweeper().sweep()
    assert after_a_crash(testbed, tmp_path / "after")[made["name"]] == "ended"


def test_a_reader_is_not_waited_for_and_the_next_round_does_it(testbed: Testbed, tmp_path: Path) -> None:
    made = ready(testbed)
    with closing(sqlite3.connect(testbed.settings.store_file, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM links").fetchone()
        testbed.links.end(testbed.links.of_secret(made["name"], made["secret"]), Ending(Cause.CANCELLED, "Over."))
        assert not testbed.database.settle(0.1)
        testbed.create()
    assert testbed.database.settle()
    assert after_a_crash(testbed, tmp_path / "after")[made["name"]] == "ended"
