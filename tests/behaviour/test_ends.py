"""Each way in which a notebook ends, all of them at once: what its owner reads in the terminal and at its address."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass

import httpx
import pytest

import bed
import cell
import clusters

HERE = clusters.here()
FIRST, SECOND = HERE.nodes
SPARED = 130
# Whether the scheduler remembers jobs that are over: PBS does not, unless its site has it do so.
KEPT: dict[str, Callable[[], AbstractContextManager[None]]] = {"remembers": nullcontext}
if HERE is clusters.PBS:
    KEPT = {"forgets": nullcontext, "remembers": clusters.PBS.history}
# A job that is over before it could say anything.
SCRIPT = "#!/bin/sh\nexit 3\n"
KILL = "import os, signal; os.kill(os.getppid(), signal.SIGKILL)"
# What PBS counts of a job's memory is that of the script's own session: Jupyter and its kernels have others.
HUNGRY = """#!/bin/bash
#PBS -r n
exec >>"$LIGHTSHIP_LINK/job.log" 2>&1
(until [ -e ~/hungry ]; do sleep 0.5; done; exec python3 -c 'import time; x = bytearray(900 << 20); time.sleep(60)') &
exec "$LIGHTSHIP_REGISTER" "$LIGHTSHIP_LINK" -- jupyter notebook
"""


@dataclass(frozen=True)
class Kind:
    """One kind of end: who starts it, how, and what is read in `start-jupyter list -a` and on the page."""

    user: str
    options: str
    listed: str
    page: str


KINDS = {
    "shut-down": Kind("alice", f"-t 10 -- {HERE.on(FIRST)}", "shut down in it", "You shut this notebook down"),
    "killed": Kind("bob", f"-t 10 -- {HERE.on(FIRST)}", "with an error", "This notebook ended with an error"),
    "script": Kind("bob", f"-b ~/three.sh -t 10 -- {HERE.on(FIRST)}", "the job ended before its notebook answered", ""),
    "time": Kind("bob", f"-t 1 -- {HERE.on(FIRST)}", "its time was up", "This notebook's time was up"),
    "in-queue": Kind("bob", f"-t 10 -- {HERE.hold}", "the job was cancelled", "This notebook was cancelled"),
    "running": Kind("alice", f"-t 10 -- {HERE.on(FIRST)}", "the job was stopped", "This notebook was ended"),
    "node": Kind("alice", f"-t 10 -- {HERE.on(SECOND)}", "its node failed", "This notebook's node failed"),
    "stopped": Kind(
        "bob", f"-t 10 -- {HERE.on(FIRST)}", "stopped with start-jupyter stop", "You stopped this notebook"
    ),
}
if HERE.limits_memory:
    KINDS["memory"] = Kind(
        "alice", "-b ~/hungry.sh -m 500M -t 10", "it ran out of memory", "This notebook ran out of memory"
    )
# Where only the scheduler would know, and forgets: what is said then; of a node nothing for an hour, it may come back.
FORGOTTEN = {
    "in-queue": ("", "Its job is over and did not say why."),
    "memory": ("the job was stopped", "This notebook was ended"),
    "node": None,
}
NEVER_READY = ("script", "in-queue")


@dataclass(frozen=True)
class Ended:
    """All of them, and which answered after the scheduler's server had been started anew."""

    notebooks: dict[str, bed.Notebook]
    alive: set[str]


def begin(kind: str) -> bed.Notebook:
    """Start the notebook that will end in this way."""
    told = KINDS[kind]
    wait = "timeout --signal=INT 10 " if kind == "in-queue" else ""
    notebook = HERE.notebook(told.user, HERE.run(f"{wait}start-jupyter {told.options}", told.user, check=False))
    assert kind in NEVER_READY or "Ready: your notebook answers." in notebook.output, notebook.output
    return notebook


def end(kind: str, notebook: bed.Notebook) -> None:
    """Have it end; what takes its time does so by itself."""
    if kind == "shut-down":
        proof = {"Authorization": f"token {notebook.token}"}
        with bed.client(f"{notebook.name}.{bed.DOMAIN}", headers=proof) as browser:
            assert browser.post("/api/shutdown").is_success
    elif kind == "killed":
        # The cell does not come to its end.
        with suppress(AssertionError, OSError):
            cell.run(notebook, KILL)
    elif kind == "memory":
        HERE.run("touch hungry", "alice")
    elif kind in ("in-queue", "running"):
        HERE.cancel(notebook.job)
    elif kind == "node":
        HERE.lose(SECOND)
    elif kind == "stopped":
        HERE.run(f"start-jupyter stop {notebook.name}", KINDS[kind].user)


def end_all(kinds: list[str], pool: ThreadPoolExecutor) -> Ended:
    """Start one of each kind, start the scheduler's server anew, and have all end."""
    notebooks = dict(zip(kinds, pool.map(begin, kinds), strict=True))
    HERE.restart_server()
    alive = {kind for kind in kinds if kind not in NEVER_READY and bed.answers(notebooks[kind])}
    # A job of which the registry never heard that it is in the queue may be one that is merely not listed yet.
    waiting = notebooks["in-queue"].name
    bed.eventually(lambda: bed.record(waiting)["job_state"] == "held", "the registry was not told of a held job")
    list(pool.map(end, notebooks, notebooks.values()))
    for kind, notebook in notebooks.items():
        bed.eventually(
            lambda name=notebook.name: bed.record(name)["state"] == "ended",  # type: ignore[misc]
            f"the link of {kind} lives on",
            seconds=SPARED,
        )
    return Ended(notebooks, alive)


@pytest.fixture(scope="module", params=KEPT)
def ended(request: pytest.FixtureRequest) -> Iterator[Ended]:
    kinds = [kind for kind in KINDS if request.param == "remembers" or FORGOTTEN.get(kind, True)]
    HERE.run("cat > three.sh", "bob", text=SCRIPT)
    HERE.run("cat > hungry.sh; rm -f hungry", "alice", text=HUNGRY)
    try:
        with KEPT[request.param](), ThreadPoolExecutor(len(kinds)) as pool:
            yield end_all(kinds, pool)
    finally:
        if "node" in kinds:
            HERE.bring_back(SECOND)
        HERE.cancel_all("alice", "bob")


def test_notebooks_outlive_a_restart_of_the_schedulers_server(ended: Ended) -> None:
    assert ended.alive == set(ended.notebooks) - set(NEVER_READY)


@pytest.mark.parametrize("kind", KINDS)
def test_the_owner_reads_why_it_ended(ended: Ended, kind: str) -> None:
    told, forgets = KINDS[kind], "node" not in ended.notebooks
    expected = FORGOTTEN.get(kind, (told.listed, told.page)) if forgets else (told.listed, told.page)
    if expected is None:
        return
    notebook = ended.notebooks[kind]
    row = bed.record(notebook.name)
    said = row["cause"], row["reason"]
    (line,) = [line for line in HERE.run("start-jupyter list -a", told.user).splitlines() if notebook.name in line]
    when, _, why = line.partition("  ended ")[2].partition(": ")
    assert re.fullmatch(r"(\d\d \w{3} )?\d\d:\d\d (before it was ready|after .*)", when), line
    assert why == expected[0], said
    page = bed.ended_page(notebook.name, notebook.token)
    assert expected[1] in page, said
    assert notebook.token not in page


def test_nothing_of_them_stays_open(ended: Ended) -> None:
    for notebook in ended.notebooks.values():
        assert bed.status_of(notebook.name) == httpx.codes.NOT_FOUND
        assert notebook.name not in bed.routes()


def test_a_job_that_ended_at_once_is_told_at_the_terminal_that_waited(ended: Ended) -> None:
    assert "start-jupyter: The job ended before" in ended.notebooks["script"].output
