from __future__ import annotations

from typing import Any

import pytest

from lightship_cluster.job import end_warning
from lightship_protocol import limits
from lightship_registry.pages import running
from unit.lightship_registry.testbed import Testbed


def state(testbed: Testbed, made: dict[str, Any], left: float, **columns: object) -> dict[str, str]:
    now = testbed.clock()
    testbed.change(made, state="ready", lease_until=now + 60, expires_at=now + left, **columns)
    link = testbed.store.find(made["name"])
    assert link
    return running.state_of(link, now)


def test_it_says_since_when_it_runs_and_how_long_it_still_may(testbed: Testbed) -> None:
    made = testbed.create()
    said = state(testbed, made, 1350, ready_at=testbed.clock() - 450, job_id="4711")
    assert (said["heading"], said["ending"]) == ("Your notebook is running", "")
    assert (said["left"], said["used"], said["job"]) == ("22 minutes", "25", "4711")
    assert said["end"].endswith("Z")
    assert said["end_text"].endswith(" UTC")
    assert said["since"] < said["end"]
    assert state(testbed, made, 1350, ready_at=0)["since"] == ""


def test_it_warns_as_early_as_the_notebooks_own_terminals_do() -> None:
    assert vars(running)["WARN_SECONDS"] == vars(end_warning)["WARN_SECONDS"] == limits.WARN_SECONDS


@pytest.mark.parametrize(
    ("left", "ending"),
    [(301, ""), (300, "5 min"), (299, "4 min"), (60, "1 min"), (59, "less than a minute"), (-5, "less than a minute")],
)
def test_five_minutes_before_the_end_it_warns(testbed: Testbed, left: float, ending: str) -> None:
    said = state(testbed, testbed.create(), left)
    assert (said["ending"], said["heading"] == "") == (ending, ending != "")
    assert ("lost" in said["status"]) == (ending != "")
    assert 0 <= int(said["used"]) <= 100


def test_of_a_short_life_only_the_last_half_is_warned_of(testbed: Testbed) -> None:
    made = testbed.create(seconds=240)
    assert state(testbed, made, 130)["ending"] == ""
    assert state(testbed, made, 120)["ending"] == "2 min"


def test_a_notebook_whose_node_is_out_of_reach_is_not_called_running(testbed: Testbed) -> None:
    made = testbed.create()
    state(testbed, made, 1000)
    testbed.clock.now += 61
    link = testbed.store.find(made["name"])
    assert link
    assert running.state_of(link, testbed.clock())["heading"] == "Your notebook is out of reach"
