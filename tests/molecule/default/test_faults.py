"""What breaks on the proxy host while people work: no notebook is lost, and what is said to be done helps."""

from __future__ import annotations

import json
import re
import shlex
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial

import httpx
import pytest

from lightship_cluster.registry_client.signing import sign
from support import bed

STATE = "/var/lib/lightship"
STORE = f"{STATE}/registry.sqlite3"
SERVICE, SOCKET = "lightship-registry.service", "lightship-registry.socket"
WORKERS = 3
DROP_IN = f"/etc/systemd/system/{SERVICE}.d/clock.conf"
FILL = f"dd if=/dev/zero of={STATE}/fill bs=4k oflag=append conv=notrunc"
AHEAD_SECONDS = 300

NAMES = """
import json, sqlite3
print(json.dumps([row[0] for row in sqlite3.connect("file:/var/lib/lightship/registry.sqlite3?mode=ro", uri=True)
    .execute("SELECT name FROM links")]))
"""
# All that was written is in the file: what ends the service has nothing left to move there.
SETTLE = """
import sqlite3
sqlite3.connect("/var/lib/lightship/registry.sqlite3").execute("PRAGMA wal_checkpoint(TRUNCATE)")
"""
# Pages that are in the log only, and that the file has no room for once the disk is full.
GROW = """
import sqlite3
with sqlite3.connect("/var/lib/lightship/registry.sqlite3") as store:
    store.execute("CREATE TABLE IF NOT EXISTS ballast (bytes)")
    store.execute("INSERT INTO ballast VALUES (randomblob(300000))")
"""
SHRINK = """
import sqlite3
sqlite3.connect("/var/lib/lightship/registry.sqlite3").execute("DROP TABLE ballast")
"""
HOLD_LOCK = """
import pathlib, sqlite3, time
store = sqlite3.connect("/var/lib/lightship/registry.sqlite3")
store.execute("BEGIN EXCLUSIVE")
pathlib.Path("/run/lock-is-held").touch()
time.sleep(600)
"""
# What a failing disk does: one page of the index by which every request finds its link.
DAMAGE = """
import os, sqlite3
path = "/var/lib/lightship/registry.sqlite3"
store = sqlite3.connect(path)
store.execute("PRAGMA wal_checkpoint(TRUNCATE)")
(page,) = store.execute("SELECT rootpage FROM sqlite_master WHERE name = 'sqlite_autoindex_links_1'").fetchone()
store.close()
with open(path, "r+b") as file:
    file.seek((page - 1) * 4096)
    file.write(os.urandom(4096))
"""


@dataclass(frozen=True)
class Registry:
    """The API, asked as the login node's agent asks it."""

    key: bytes

    def create(self, user: str) -> httpx.Response:
        """Ask for a link."""
        body = json.dumps({"user": user, "seconds": 600}).encode()
        with bed.client() as opened:
            signed = sign(self.key, "demo", "POST", "/v1/links", body)
            return opened.post("/v1/links", content=body, headers=signed)

    def takes_links(self) -> bool:
        """Whether a new link can be had."""
        return self.create("faults").status_code == httpx.codes.CREATED


@pytest.fixture(scope="module")
def registry() -> Iterator[Registry]:
    # The key as root of the proxy reads it.
    yield Registry(bytes.fromhex(bed.run("proxy", "cat /etc/lightship/clusters/demo.key").stdout.strip()))
    bed.run("proxy", "lightship revoke --user faults --yes")


@pytest.fixture
def undisturbed(working: bed.Notebook) -> Iterator[Callable[[], None]]:
    """Yield what asserts that the notebook answers and its open WebSocket was not cut; asked at the end too."""
    with closing(bed.websocket(working)) as connection:

        def check() -> None:
            assert bed.status_of(working.name) == httpx.codes.OK
            assert not bed.is_cut(connection, 0.2)

        check()
        yield check
        check()


@pytest.fixture
def small_disk() -> Iterator[None]:
    """Put the service's state on a disk of its own for the time of a test."""
    move = f"systemctl stop {SOCKET} {SERVICE} && rm -rf /run/state && {{}} && systemctl start {SOCKET} {SERVICE}"
    owner = "uid=$(id -u lightship),gid=$(id -g lightship)"
    size = f"size=$(($(du -sk {STATE} | cut -f 1) + 16384))k"
    mount = f"mount -t tmpfs -o {size},mode=0750,{owner} tmpfs {STATE}"
    there = f"cp -a {STATE} /run/state && {mount} && cp -a /run/state/. {STATE}"
    back = f"rm -f {STATE}/fill && cp -a {STATE} /run/state && umount {STATE} && cp -a /run/state/. {STATE}"
    try:
        bed.run("proxy", move.format(there))
        yield
    finally:
        bed.run("proxy", f"mount -o remount,rw {STATE}; {move.format(back)}; rm -rf /run/state")


def journal() -> str:
    """Return what the service has said since its last start."""
    last = f"$(systemctl show -P InvocationID {SERVICE})"
    return bed.run("proxy", f"journalctl _SYSTEMD_INVOCATION_ID={last} -o cat").stdout


def doctor() -> str:
    """Return what the doctor finds, in one line each."""
    return bed.run("proxy", "lightship doctor | cat", check=False).stdout


def start_anew_on_a_full_disk() -> None:
    """Start the service anew, on a disk that has no room from when it ended."""
    bed.run("proxy", f"systemctl stop {SOCKET} {SERVICE}; {FILL}; systemctl start {SOCKET} {SERVICE}")


def make_room(registry: Registry) -> None:
    """End the fullness, and see that the service goes on by itself."""
    bed.run("proxy", f"rm {STATE}/fill")
    bed.eventually(registry.takes_links, "the disk has room again, and no link can be had")


def is_longer(made: list[str], wanted: int) -> bool:
    """Whether more links than that were made."""
    return len(made) > wanted


def refused(registry: Registry) -> None:
    """Assert that a link is refused, in words that do not frighten whoever reads them."""
    answer = registry.create("faults")
    assert answer.status_code == httpx.codes.INTERNAL_SERVER_ERROR
    assert answer.json()["code"] == "registry-error"
    assert "Notebooks that run go on" in answer.json()["error"]


def test_killing_the_registry_in_the_middle_of_work_loses_nothing(
    registry: Registry, undisturbed: Callable[[], None]
) -> None:
    made: list[str] = []
    others: list[httpx.Response] = []
    enough = threading.Event()

    def work(number: int) -> None:
        while not enough.is_set():
            answer = registry.create(f"kill-{number}-{len(made) // 5}")
            if answer.status_code == httpx.codes.CREATED:
                made.append(answer.json()["name"])
            else:
                others.append(answer)

    with ThreadPoolExecutor(WORKERS) as pool:
        tasks = [pool.submit(work, number) for number in range(WORKERS)]
        # Whatever fails here, they must come to an end: else they make links for as long as the other tests go on.
        try:
            bed.eventually(partial(is_longer, made, 5), "no link was made")
            for _ in range(2):
                bed.run("proxy", f"systemctl kill --signal=KILL {SERVICE}")
                wanted = len(made) + 5
                bed.eventually(partial(is_longer, made, wanted), "no links are made any more")
                undisturbed()
        finally:
            enough.set()
    for done in tasks:
        done.result()
    # What was under way when it died is answered by the web server, and may be asked again.
    assert {answer.json()["code"] for answer in others} <= {"registry-unreachable", "too-many-requests"}
    assert set(made) <= set(json.loads(bed.python("proxy", NAMES))), "a link that was promised is not known"
    assert int(bed.run("proxy", f"systemctl show -P NRestarts {SERVICE}").stdout) >= 2
    bed.run("proxy", f"lightship revoke --yes {' '.join(made)}")


@pytest.mark.usefixtures("small_disk")
def test_a_full_disk_stops_new_links_only(registry: Registry, undisturbed: Callable[[], None]) -> None:
    bed.python("proxy", SETTLE)
    bed.run("proxy", FILL, check=False)
    refused(registry)
    assert "The disk is full. Make room" in journal()
    assert f"0 MB are free for {STATE}" in doctor()
    told = bed.run("login", "start-jupyter -t 5", user="bob", check=False)
    assert (told.returncode, "tell your administrators" in told.stderr) == (10, True), told
    # Started anew it says the same, instead of not coming up: what it freed when it ended is used up meanwhile.
    start_anew_on_a_full_disk()
    refused(registry)
    assert "start: disk I/O error (SQLITE_IOERR_SHMSIZE). The disk is full. Make room" in journal()
    undisturbed()
    make_room(registry)


@pytest.mark.usefixtures("small_disk")
def test_what_a_full_disk_kept_in_the_log_is_there_after_a_start(
    registry: Registry, undisturbed: Callable[[], None]
) -> None:
    made = registry.create("faults").json()["name"]
    bed.python("proxy", GROW)
    bed.run("proxy", FILL, check=False)
    start_anew_on_a_full_disk()
    refused(registry)
    assert "create: database or disk is full. The disk is full. Make room" in journal()
    assert made in json.loads(bed.python("proxy", NAMES))
    undisturbed()
    make_room(registry)
    bed.python("proxy", SHRINK)


@pytest.mark.usefixtures("small_disk")
def test_a_read_only_disk_stops_new_links_only(registry: Registry, undisturbed: Callable[[], None]) -> None:
    # With its socket, or the next heartbeat starts the service before the disk is read-only.
    bed.run("proxy", f"systemctl stop {SOCKET} {SERVICE} && mount -o remount,ro {STATE}")
    bed.run("proxy", f"systemctl start {SOCKET} {SERVICE}")
    refused(registry)
    bed.eventually(lambda: "read-only" in journal(), "the journal does not say that the disk is read-only")
    assert "cannot be written" in doctor()
    undisturbed()
    bed.run("proxy", f"mount -o remount,rw {STATE}")
    bed.eventually(registry.takes_links, "the disk can be written again, and no link can be had")


@contextmanager
def locked() -> Iterator[str]:
    """Have a process hold the store's lock, and yield its number."""
    hold = f"python3 -c {shlex.quote(HOLD_LOCK)} >/dev/null 2>&1 & echo $! >/run/holder"
    bed.run("proxy", f"rm -f /run/lock-is-held; {hold}")
    try:
        held = "test -e /run/lock-is-held"
        bed.eventually(lambda: bed.run("proxy", held, check=False).returncode == 0, "no lock")
        yield bed.run("proxy", "cat /run/holder").stdout.strip()
    finally:
        bed.run("proxy", "kill $(cat /run/holder); rm -f /run/lock-is-held /run/holder")


def test_a_locked_store_is_told_with_who_locks_it(registry: Registry, undisturbed: Callable[[], None]) -> None:
    with locked() as holder:
        refused(registry)
        found = doctor()
        assert f"process {holder} (python3) has the store open" in found
        assert "database is locked" in found
        assert "database is locked" in journal()
        undisturbed()
    bed.eventually(registry.takes_links, "the lock is gone, and no link can be had")


def test_a_damaged_store_is_repaired_and_nothing_is_lost(
    registry: Registry, working: bed.Notebook, undisturbed: Callable[[], None]
) -> None:
    before = set(json.loads(bed.python("proxy", NAMES)))
    # With its socket, or a heartbeat starts the service, which then has the page still in memory.
    bed.run("proxy", f"systemctl stop {SOCKET} {SERVICE}")
    bed.python("proxy", DAMAGE)
    bed.run("proxy", f"systemctl start {SOCKET} {SERVICE}")
    bed.eventually(lambda: "The store is damaged" in journal(), "the journal does not say that the store is damaged")
    refused(registry)
    found = doctor()
    assert "the store is damaged" in found
    assert "When the disk or the store fails" in found
    undisturbed()
    told = bed.run("proxy", "lightship repair --force").stdout
    assert "could not be read" not in told
    bed.eventually(registry.takes_links, "the store is repaired, and no link can be had")
    assert before <= set(json.loads(bed.python("proxy", NAMES)))
    assert bed.record(working.name)["state"] == "ready"
    assert bed.run("proxy", "lightship doctor").returncode == 0
    bed.run("proxy", f"rm -r {STATE}/before-repair-*")


@pytest.fixture
def movable_clock() -> Iterator[Callable[[int], None]]:
    """Yield what sets the service's clock forward by some seconds while it runs."""
    bed.run("proxy", bed.GET_FAKETIME)
    settings = [f"LD_PRELOAD={bed.FAKETIME}", "FAKETIME_TIMESTAMP_FILE=/run/lightship-clock", "FAKETIME_NO_CACHE=1"]
    lines = ["[Service]", *(f"Environment={each}" for each in [*settings, "FAKETIME_DONT_FAKE_MONOTONIC=1"])]

    def set_ahead(seconds: int) -> None:
        bed.run("proxy", f"echo '+{seconds}s' >/run/clock.new && mv /run/clock.new /run/lightship-clock")

    set_ahead(0)
    bed.run("proxy", f"mkdir -p $(dirname {DROP_IN}) && cat >{DROP_IN}", text="\n".join(lines) + "\n")
    bed.run("proxy", f"systemctl daemon-reload && systemctl restart {SERVICE}")
    yield set_ahead
    bed.run("proxy", f"rm -r $(dirname {DROP_IN}) /run/lightship-clock && systemctl daemon-reload")
    bed.run("proxy", f"systemctl restart {SERVICE}")


def test_a_clock_that_jumps_ends_nothing_and_is_named(
    movable_clock: Callable[[int], None], registry: Registry, undisturbed: Callable[[], None]
) -> None:
    bed.eventually(registry.takes_links, "the service did not start")
    movable_clock(AHEAD_SECONDS)
    bed.eventually(lambda: "The clock jumped by" in journal(), "the journal does not say that the clock jumped")
    answer = registry.create("faults")
    assert (answer.status_code, answer.json()["code"]) == (403, "clock")
    told = bed.run("login", "start-jupyter -t 5", user="bob", check=False)
    assert told.returncode == 11
    assert re.search(r"clock and the registry's differ by 30\d seconds. Set both by NTP", told.stderr)
    undisturbed()
    movable_clock(0)
    bed.eventually(registry.takes_links, "the clock is right again, and no link can be had")
