"""Each kind of end of a notebook: how it is started, how it is ended, and what its owner reads."""

from __future__ import annotations

import html
import re
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace

from support import bed, cell, clusters

HERE = clusters.here()
FIRST, SECOND = HERE.nodes
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
SPARED = 130


@dataclass(frozen=True)
class Kind:
    """One kind of end: who starts it, how, and what is read in `start-jupyter list -a` and on the page."""

    user: str
    options: str
    cause: str
    listed: str
    page: str


ON_FIRST = f"-t 10 -- {HERE.on(FIRST)}"
KINDS = {
    "shut-down": Kind("alice", ON_FIRST, "stopped", "shut down in it", "You shut this notebook down"),
    "killed": Kind("bob", ON_FIRST, "failed", "with an error", "This notebook ended with an error"),
    "script": Kind("bob", f"-b ~/three.sh {ON_FIRST}", "cancelled", "the job ended before its notebook answered", ""),
    "in-queue": Kind("bob", f"-t 10 -- {HERE.hold}", "cancelled", "the job was cancelled", "was cancelled"),
    "running": Kind("alice", ON_FIRST, "cancelled", "the job was stopped", "This notebook was ended"),
    "stopped": Kind("bob", ON_FIRST, "cancelled", "stopped with start-jupyter stop", "You stopped this notebook"),
    "memory": Kind("alice", "-b ~/hungry.sh -m 500M -t 10", "out-of-memory", "it ran out of memory", "out of memory"),
    "time": Kind("carol", f"-t 1 -- {HERE.on(FIRST)}", "time-limit", "its time was up", "This notebook's time was up"),
    "node": Kind(
        "carol", f"-t 10 -- {HERE.on(SECOND)}", "node-failed", "its node failed", "This notebook's node failed"
    ),
}
NEVER_READY = ("script", "in-queue")
# They take a minute, and go on while other tests run: carol has no part in those.
SLOW = ("time", "node")
# PBS forgets jobs that are over, unless its site has it remember them; what only it knew is not known then.
FORGETS, REMEMBERS = "forgets", "remembers"
PASSES = (FORGETS, REMEMBERS) if HERE is clusters.PBS else (REMEMBERS,)
UNKNOWN = {"cause": "ended", "listed": "", "page": "Its job is over and did not say why."}
FORGOTTEN = {
    "in-queue": replace(KINDS["in-queue"], **UNKNOWN),
    "memory": replace(KINDS["memory"], cause="cancelled", listed="the job was stopped", page="This notebook was ended"),
    "node": replace(KINDS["node"], **UNKNOWN),
}


def begin(*kinds: str) -> dict[str, bed.Notebook]:
    """Start a notebook for each kind, all at once."""
    HERE.run("cat > three.sh", "bob", text=SCRIPT)
    HERE.run("cat > hungry.sh; rm -f hungry", "alice", text=HUNGRY)
    with ThreadPoolExecutor(len(kinds)) as pool:
        return dict(zip(kinds, pool.map(_begin, kinds), strict=True))


def _begin(kind: str) -> bed.Notebook:
    told = KINDS[kind]
    if kind == "in-queue":
        printed = HERE.interrupted(told.user, told.options, HERE.held_words)
    else:
        printed = HERE.run(f"start-jupyter {told.options}", told.user, check=False)
    notebook = HERE.notebook(told.user, printed)
    assert kind in NEVER_READY or "Ready: your notebook answers." in notebook.output, notebook.output
    return notebook


def bring_about(notebooks: dict[str, bed.Notebook]) -> None:
    """End the notebooks, except those that end by themselves."""
    with ThreadPoolExecutor(len(notebooks)) as pool:
        list(pool.map(_bring_about, notebooks, notebooks.values()))


def _bring_about(kind: str, notebook: bed.Notebook) -> None:
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
    elif kind == "stopped":
        HERE.run(f"start-jupyter stop {notebook.name}", KINDS[kind].user)
    elif kind == "node":
        HERE.lose(SECOND)


class SlowEnds:
    """The slow kinds of end, in one pass at a time: there is only one scheduler's history and one node to lose."""

    def __init__(self) -> None:
        self.notebooks: dict[str, bed.Notebook] = {}
        self._afterwards = ExitStack()

    def begin(self, kept: str) -> None:
        """Start them, and have them end while other tests run, with a scheduler that forgets or remembers."""
        self.close()
        if HERE is clusters.PBS and kept == REMEMBERS:
            self._afterwards.enter_context(clusters.PBS.history())
        self.notebooks = begin(*SLOW)
        self._afterwards.callback(HERE.bring_back, SECOND)
        bring_about(self.notebooks)

    def close(self) -> None:
        """Bring the lost node back, and have the scheduler forget as before."""
        self._afterwards.close()


def expect(kept: str, kind: str, notebook: bed.Notebook) -> None:
    """Assert that the link ends for the right cause, and that its owner reads why in the terminal and on the page."""
    told = FORGOTTEN.get(kind, KINDS[kind]) if kept == FORGETS else KINDS[kind]
    bed.eventually(lambda: bed.record(notebook.name)["state"] == "ended", f"the link of {kind} lives on", SPARED)
    # The scheduler may know better than the job, and says so a little later.
    with suppress(AssertionError):
        bed.eventually(lambda: bed.record(notebook.name)["cause"] == told.cause, "", 45)
    row = bed.record(notebook.name)
    assert row["cause"] == told.cause, row["reason"]
    (line,) = [line for line in HERE.run("start-jupyter list -a", told.user).splitlines() if notebook.name in line]
    when, _, why = line.partition("  ended ")[2].partition(": ")
    assert re.fullmatch(r"(\d\d \w{3} )?\d\d:\d\d (before it was ready|after .*)", when), line
    assert why == told.listed, row["reason"]
    page = html.unescape(bed.ended_page(notebook.name, notebook.token))
    assert told.page in page, row["reason"]
    assert notebook.token not in page
    assert notebook.name not in bed.routes()
