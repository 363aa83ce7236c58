"""What a user gets: one command, one address, a notebook behind it. What differs by scheduler is in tests/behaviour."""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import httpx
import pytest

from support import bed, cell


@pytest.fixture(scope="module")
def notebook() -> Iterator[bed.Notebook]:
    started = bed.start("alice")
    yield started
    bed.stop(started)


def test_the_link_answers_with_the_users_own_notebook(notebook: bed.Notebook) -> None:
    with bed.client(f"{notebook.name}.{bed.DOMAIN}") as browser:
        assert browser.get("/api/status").status_code == httpx.codes.FORBIDDEN
        status = browser.get("/api/status", params={"token": notebook.token})
        assert status.status_code == httpx.codes.OK
        root = browser.get("/api/contents", params={"token": notebook.token}).json()
        assert root["type"] == "directory"


def test_a_program_that_shows_its_token_in_the_address_runs_a_cell(notebook: bed.Notebook) -> None:
    assert cell.run(notebook, "print(6 * 7)", by_address=True) == "42"


def test_the_browser_is_shown_the_wildcard_certificate_of_the_authority(notebook: bed.Notebook) -> None:
    with bed.client(f"{notebook.name}.{bed.DOMAIN}") as browser, browser.stream("GET", "/api") as answer:
        shown = answer.extensions["network_stream"].get_extra_info("ssl_object").getpeercert()
    assert set(shown["subjectAltName"]) == {("DNS", bed.DOMAIN), ("DNS", f"*.{bed.DOMAIN}")}


def test_what_slurm_says_of_a_job_that_it_took_is_shown_first() -> None:
    done = bed.run("login", "start-jupyter -t 5 -- --comment=remark", user="alice")
    assert done.stderr.startswith("Slurm says: Your project has 3 hours left.\n")
    bed.run("login", f"scancel {bed.notebook('alice', done.stdout).job}")


def test_a_reader_who_hangs_up_in_the_middle_of_an_answer_disturbs_nobody_else(notebook: bed.Notebook) -> None:
    host, token = f"{notebook.name}.{bed.DOMAIN}", {"token": notebook.token}
    bed.run("login", "head -c 50000000 /dev/zero > large.bin", user="alice")

    def stay() -> set[int]:
        with bed.client(host) as browser:
            return {browser.get("/api/status", params=token).status_code for _ in range(60)}

    def leave() -> None:
        with bed.client(host) as browser, browser.stream("GET", "/files/large.bin", params=token) as answer:
            assert next(answer.iter_raw())

    with ThreadPoolExecutor(6) as pool:
        others = [pool.submit(stay) for _ in range(6)]
        while not all(other.done() for other in others):
            leave()
    assert [other.result() for other in others] == [{httpx.codes.OK}] * 6
    errors = bed.run("proxy", "cat /var/log/nginx/lightship-error.log").stdout
    assert not [line for line in errors.splitlines() if host in line and "prematurely closed" in line]


def test_a_waiting_link_shows_a_page_and_turns_into_the_same_page_as_a_name_nobody_made() -> None:
    made = bed.agent("bob", op="create", seconds=600)
    assert made["ok"], made
    with bed.client(f"{made['name']}.{bed.DOMAIN}") as browser:
        waiting = browser.get("/lab?token=abc")
        assert waiting.status_code == httpx.codes.SERVICE_UNAVAILABLE
        assert waiting.headers["retry-after"]
        assert 'http-equiv="refresh"' in waiting.text
        assert bed.agent("bob", op="cancel", name=made["name"], reason="test")["ok"]
        ended = browser.get("/lab?token=abc")
    with bed.client(f"nobody-made-this.{bed.DOMAIN}") as browser:
        unknown = browser.get("/lab?token=abc")
    assert ended.status_code == unknown.status_code == httpx.codes.NOT_FOUND
    assert ended.content == unknown.content
    assert dict(ended.headers, date="") == dict(unknown.headers, date="")


def test_the_registry_knows_how_to_start_it_again_and_the_hash_of_the_token_only(notebook: bed.Notebook) -> None:
    row = bed.record(notebook.name)
    assert row["command"] == "start-jupyter -t 10"
    assert row["token_sha256"] == hashlib.sha256(notebook.token.encode()).hexdigest()
    assert notebook.token not in json.dumps(row)


# Its shell tells its number and waits, so that Jupyter begins in the control group that it was put into meanwhile.
SMALL = """#!/bin/bash
#SBATCH --job-name=small
#SBATCH --no-requeue
echo $$ > ~/small.held
while [ -e ~/small.held ]; do sleep 0.2; done
exec "$2" "$1" -- jupyter notebook
"""
# What Slurm makes where its nodes lend it control groups: of version 2 as the container has them, of version 1 mounted
# again, because a container sees those as they are and changes none.
GROUPS = {
    "2": ("true", "/sys/fs/cgroup", "memory.current", "memory.max"),
    "1": (
        "mkdir -p /run/memory && mount -t cgroup -o memory cgroup /run/memory",
        "/run/memory",
        "memory.usage_in_bytes",
        "memory.limit_in_bytes",
    ),
}
SPARE, PIECE = 8 << 20, 64 << 10


def test_a_notebook_killed_for_want_of_memory_says_so_with_its_last_lines() -> None:
    bed.run("login", "cat > small.sh", user="bob", text=SMALL)
    with ThreadPoolExecutor(1) as pool:
        starting = pool.submit(bed.start, "bob", "-b ~/small.sh -t 10")
        try:
            bed.eventually(
                lambda: bool(bed.run("login", "cat ~bob/small.held", check=False).stdout.strip()), "no job began"
            )
            node = bed.run("login", "squeue -h -u bob -n small -t RUNNING -o %N").stdout.strip()
            version = bed.run(node, "[ -e /sys/fs/cgroup/cgroup.controllers ] && echo 2 || echo 1").stdout.strip()
            enter, mount, used, most = GROUPS[version]
            group = f"{mount}/lightship-small"
            bed.run(node, f"{enter} && mkdir {group} && cat ~bob/small.held > {group}/cgroup.procs")
        finally:
            bed.run("login", "rm -f ~bob/small.held")
        notebook = starting.result()
    swap = "if [ -e memory.swap.max ]; then echo 0 > memory.swap.max; fi"
    size = int(bed.run(node, f"cat {group}/{used}").stdout) + SPARE
    bed.run(node, f"cd {group}; {swap}; echo {size} > {most}")
    bed.eventually(lambda: _ended_by_an_upload(notebook, size), "a notebook outgrew its job's memory and lives on")
    row = bed.record(notebook.name)
    assert row["cause"] == "out-of-memory", row["reason"]
    assert "-m 16G" in row["reason"]
    assert row["tail"], "nothing of Jupyter's output was kept"
    assert notebook.token not in row["tail"]
    leave = f"rmdir {group} && if [ {mount} = /run/memory ]; then umount {mount}; fi"
    bed.eventually(lambda: bed.run(node, leave, check=False).returncode == 0, "the job's processes stay")


def _ended_by_an_upload(notebook: bed.Notebook, size: int) -> bool:
    # Jupyter takes it into memory whole; it is as large as all that the job may have, so dropped caches make no room.
    headers = {"Authorization": f"token {notebook.token}", "Origin": notebook.origin, "Content-Length": str(size)}
    pieces = (bytes(min(PIECE, size - sent)) for sent in range(0, size, PIECE))
    with bed.client(f"{notebook.name}.{bed.DOMAIN}", headers=headers) as browser, suppress(httpx.HTTPError):
        browser.put("/api/contents/large.bin", content=pieces)
    return str(bed.record(notebook.name)["state"]) == "ended"


# The clock of start-jupyter alone: as ever until the job is submitted, and then so much faster.
CLOCK, FASTER = "/tmp/start-jupyter.clock", 60


def test_a_start_whose_job_waits_an_hour_ends_in_a_notebook() -> None:
    bed.run("login", f"{bed.GET_FAKETIME} && echo +0 >{CLOCK} && chmod 0644 {CLOCK}")
    preload = shlex.quote(f"LD_PRELOAD={bed.FAKETIME}")
    clock = f"env {preload} FAKETIME_TIMESTAMP_FILE={CLOCK} FAKETIME_CACHE_DURATION=1"
    # By the interpreter itself: the command's first line drops what users have the loader load.
    command = shlex.quote(f"{clock} /usr/bin/python3 -IS /usr/local/bin/start-jupyter -t 120 -- --hold")
    at_a_terminal = f"script --quiet --flush --return --command {command} hour.out"
    with ThreadPoolExecutor(1) as pool:
        starting = pool.submit(bed.run, "login", f"TERM=xterm {at_a_terminal}", user="bob")
        try:
            bed.eventually(lambda: "it is on hold" in _written("hour.out"), "no job was held")
            bed.run("login", f"echo '+0 x{FASTER}' >{CLOCK}")
            job = bed.run("login", "squeue -h -u bob -t PENDING -o %i").stdout.strip()
            bed.eventually(lambda: f"(job {job}, 1 h 0" in _written("hour.out"), "no hour went by", seconds=180)
        finally:
            bed.run("login", "scontrol release $(squeue -h -u bob -t PENDING -o %i)")
        notebook = bed.notebook("bob", starting.result().stdout.replace("\r", ""))
    try:
        assert "Ready: your notebook answers." in notebook.output
        with bed.client(f"{notebook.name}.{bed.DOMAIN}") as browser:
            assert browser.get("/api/status", params={"token": notebook.token}).status_code == httpx.codes.OK
    finally:
        bed.stop(notebook)
        bed.run("login", f"rm -f ~bob/hour.out {CLOCK}")


def _written(file: str) -> str:
    return bed.run("login", f"cat ~bob/{file}", check=False).stdout
