from __future__ import annotations

import pytest

from lightship_registry.links import names
from unit.lightship_registry.world import World, both_databases

pytestmark = both_databases


def test_a_name_that_was_given_is_drawn_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    draws = iter(["one-two-three", "one-two-three", "four-five-six"])
    monkeypatch.setattr(names, "new_name", lambda _series: next(draws))
    assert [world.create()["name"] for _ in range(2)] == ["one-two-three", "four-five-six"]


def test_running_out_of_names_is_an_error(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "new_name", lambda _series: "one-two-three")
    world.create()
    answer = world.agent("POST", "/v1/links", {"user": "alice", "seconds": 60})
    assert (answer.status_code, answer.json()["code"]) == (500, "registry-error")
