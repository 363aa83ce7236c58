from __future__ import annotations

from typing import Any

import pytest

from lightship_cluster.job import end_warning
from lightship_registry.pages import running
from unit.lightship_registry.world import World


def state(world: World, made: dict[str, Any], left: float, **columns: object) -> dict[str, str]:
    now = world.clock()
    world.change(made, state="ready", lease_until=now + 60, expires_at=now + left, **columns)
    link = world.store.find(made["name"])
    assert link
    return running.state_of(link, now)


def test_it_says_since_when_it_runs_and_how_long_it_still_may(world: World) -> None:
    made = world.create()
    said = state(world, made, 1350, ready_at=world.clock() - 450, job_id="4711")
    assert (said["heading"], said["ending"]) == ("Your notebook is running", "")
    assert (said["left"], said["used"], said["job"]) == ("22 minutes", "25", "4711")
    assert said["end"].endswith("Z")
    assert said["end_text"].endswith(" UTC")
    assert said["since"] < said["end"]
    assert state(world, made, 1350, ready_at=0)["since"] == ""


def test_it_warns_as_early_as_the_notebooks_own_terminals_do() -> None:
    assert running.WARN_SECONDS == end_warning.WARN_SECONDS


@pytest.mark.parametrize(
    ("left", "ending"),
    [(301, ""), (300, "5 min"), (299, "4 min"), (60, "1 min"), (59, "less than a minute"), (-5, "less than a minute")],
)
def test_five_minutes_before_the_end_it_warns(world: World, left: float, ending: str) -> None:
    said = state(world, world.create(), left)
    assert (said["ending"], said["heading"] == "") == (ending, ending != "")
    assert ("lost" in said["status"]) == (ending != "")
    assert 0 <= int(said["used"]) <= 100


def test_of_a_short_life_only_the_last_half_is_warned_of(world: World) -> None:
    made = world.create(seconds=240)
    assert state(world, made, 130)["ending"] == ""
    assert state(world, made, 120)["ending"] == "2 min"


def test_a_notebook_whose_node_is_out_of_reach_is_not_called_running(world: World) -> None:
    made = world.create()
    state(world, made, 1000)
    world.clock.now += 61
    link = world.store.find(made["name"])
    assert link
    assert running.state_of(link, world.clock())["heading"] == "Your notebook is out of reach"
