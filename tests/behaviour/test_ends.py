"""Each way in which a notebook ends, as its owner reads of it, and whether the scheduler remembers it or not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

import bed
import clusters
import ends

HERE = clusters.here()
# What the scheduler has no part in.
BY_ITSELF = ("shut-down", "killed", "stopped")
BY_SCHEDULER = ("script", "in-queue", "running", *(("memory",) if HERE.limits_memory else ()))
# PBS forgets, unless its site has it remember; then what only it knew is not known.
FORGETS, REMEMBERS = "forgets", "remembers"
FORGOTTEN = {
    "in-queue": replace(ends.KINDS["in-queue"], cause="ended", listed="", page="Its job is over and did not say why."),
    "memory": replace(
        ends.KINDS["memory"], cause="cancelled", listed="the job was stopped", page="This notebook was ended"
    ),
}
# Without history all of them; with history those alone to which it may make a difference.
PASSES = {FORGETS: (*BY_ITSELF, *BY_SCHEDULER), REMEMBERS: BY_SCHEDULER}
if HERE is not clusters.PBS:
    PASSES = {REMEMBERS: (*BY_ITSELF, *BY_SCHEDULER)}
EACH = [(kept, kind) for kept, kinds in PASSES.items() for kind in kinds]


@dataclass(frozen=True)
class Ended:
    """Notebooks that ended, and those of them that answered after the scheduler's server had been started anew."""

    notebooks: dict[str, bed.Notebook]
    alive: set[str]


@pytest.fixture(scope="module")
def ended(request: pytest.FixtureRequest) -> Iterator[Ended]:
    kept = request.param
    if kept == REMEMBERS:
        # They take a while, and are looked at when all else is done.
        request.getfixturevalue("slow_ends")
    notebooks = ends.begin(*PASSES[kept])
    alive: set[str] = set()
    if kept == next(iter(PASSES)):
        HERE.restart_server()
        alive = {kind for kind, notebook in notebooks.items() if kind not in ends.NEVER_READY and bed.answers(notebook)}
    ends.bring_about(notebooks)
    yield Ended(notebooks, alive)
    HERE.cancel(*(notebook.job for notebook in notebooks.values()))


@pytest.mark.parametrize("ended", [next(iter(PASSES))], indirect=True)
def test_notebooks_outlive_a_restart_of_the_schedulers_server(ended: Ended) -> None:
    assert ended.alive == set(ended.notebooks) - set(ends.NEVER_READY)


@pytest.mark.parametrize(("ended", "kind"), EACH, indirect=["ended"])
def test_the_owner_reads_why_it_ended(ended: Ended, kind: str, request: pytest.FixtureRequest) -> None:
    forgets = request.node.callspec.params["ended"] == FORGETS
    told = FORGOTTEN.get(kind, ends.KINDS[kind]) if forgets else ends.KINDS[kind]
    ends.expect(kind, ended.notebooks[kind], told)


@pytest.mark.parametrize("ended", list(PASSES), indirect=True)
def test_a_job_that_was_over_at_once_is_told_at_the_terminal(ended: Ended) -> None:
    assert "start-jupyter: The notebook did not start. The job " in ended.notebooks["script"].output
