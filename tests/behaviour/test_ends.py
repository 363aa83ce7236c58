"""Each way in which a notebook ends, as its owner reads of it, and whether the scheduler remembers it or not."""

from __future__ import annotations

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
FIRST_PASS = next(iter(PASSES))
EACH = [(kept, kind) for kept, kinds in PASSES.items() for kind in kinds]


@dataclass(frozen=True)
class Ended:
    """Notebooks that ended, and those of them that answered after the scheduler's server had been started anew."""

    notebooks: dict[str, bed.Notebook]
    alive: set[str]


def have_end(kept: str) -> Ended:
    """Start one of each kind, for the first pass start the scheduler's server anew meanwhile, and have all end."""
    notebooks = ends.begin(*PASSES[kept])
    alive: set[str] = set()
    if kept == FIRST_PASS:
        HERE.restart_server()
        alive = {kind for kind, notebook in notebooks.items() if kind not in ends.NEVER_READY and bed.answers(notebook)}
    ends.bring_about(notebooks)
    return Ended(notebooks, alive)


@pytest.fixture(scope="module")
def forgets() -> Ended:
    return have_end(FORGETS)


@pytest.fixture(scope="module")
def remembers(slow_ends: dict[str, bed.Notebook]) -> Ended:
    # Those take a while, and are looked at when all else is done.
    assert slow_ends
    return have_end(REMEMBERS)


def test_notebooks_outlive_a_restart_of_the_schedulers_server(request: pytest.FixtureRequest) -> None:
    ended: Ended = request.getfixturevalue(FIRST_PASS)
    assert ended.alive == set(ended.notebooks) - set(ends.NEVER_READY)


@pytest.mark.parametrize(("kept", "kind"), EACH)
def test_the_owner_reads_why_it_ended(kept: str, kind: str, request: pytest.FixtureRequest) -> None:
    ended: Ended = request.getfixturevalue(kept)
    told = FORGOTTEN.get(kind, ends.KINDS[kind]) if kept == FORGETS else ends.KINDS[kind]
    ends.expect(kind, ended.notebooks[kind], told)


@pytest.mark.parametrize("kept", list(PASSES))
def test_a_job_that_was_over_at_once_is_told_at_the_terminal(kept: str, request: pytest.FixtureRequest) -> None:
    ended: Ended = request.getfixturevalue(kept)
    assert "start-jupyter: The notebook did not start. The job " in ended.notebooks["script"].output
