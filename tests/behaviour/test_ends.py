"""Each way in which a notebook ends, as its owner reads of it, and whether the scheduler remembers it or not."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from support import bed, clusters, ends

HERE = clusters.here()
QUICK = [kind for kind in ends.KINDS if kind not in ends.SLOW and (kind != "memory" or HERE.limits_memory)]
FIRST_PASS = ends.PASSES[0]
# The slow ones of the last pass have their own place, when all else is done.
EACH = [(kept, kind) for kept in ends.PASSES for kind in (*QUICK, *(ends.SLOW if kept != ends.PASSES[-1] else ()))]


@dataclass(frozen=True)
class Ended:
    """Notebooks that ended, and those of them that answered after the scheduler's server had been started anew."""

    notebooks: dict[str, bed.Notebook]
    alive: set[str]


def have_end(kept: str) -> Ended:
    """Start one of each kind, for the first pass start the scheduler's server anew meanwhile, and have all end."""
    notebooks = ends.begin(*QUICK)
    alive: set[str] = set()
    if kept == FIRST_PASS:
        HERE.restart_server()
        alive = {kind for kind, notebook in notebooks.items() if kind not in ends.NEVER_READY and bed.answers(notebook)}
    ends.bring_about(notebooks)
    return Ended(notebooks, alive)


@pytest.fixture(scope="module")
def forgets() -> Ended:
    return have_end(ends.FORGETS)


@pytest.fixture(scope="module")
def remembers(slow_ends: ends.SlowEnds) -> Ended:
    slow_ends.begin(ends.REMEMBERS)
    return have_end(ends.REMEMBERS)


def test_notebooks_outlive_a_restart_of_the_schedulers_server(request: pytest.FixtureRequest) -> None:
    ended: Ended = request.getfixturevalue(FIRST_PASS)
    assert ended.alive == set(ended.notebooks) - set(ends.NEVER_READY)


@pytest.mark.parametrize(("kept", "kind"), EACH)
def test_the_owner_reads_why_it_ended(
    kept: str, kind: str, slow_ends: ends.SlowEnds, request: pytest.FixtureRequest
) -> None:
    ended: Ended = request.getfixturevalue(kept)
    ends.expect(kept, kind, {**ended.notebooks, **slow_ends.notebooks}[kind])


@pytest.mark.parametrize("kept", ends.PASSES)
def test_a_job_that_was_over_at_once_is_told_at_the_terminal(kept: str, request: pytest.FixtureRequest) -> None:
    ended: Ended = request.getfixturevalue(kept)
    assert "start-jupyter: The notebook did not start. The job " in ended.notebooks["script"].output
