from __future__ import annotations

import pytest

from lightship_registry.links import names
from unit.lightship_registry.testbed import Testbed, both_databases

pytestmark = both_databases


def test_a_name_that_was_given_is_drawn_again(testbed: Testbed, monkeypatch: pytest.MonkeyPatch) -> None:
    draws = iter(["one-two-three", "one-two-three", "four-five-six"])
    monkeypatch.setattr(names, "new_name", lambda _series: next(draws))
    assert [testbed.create()["name"] for _ in range(2)] == ["one-two-three", "four-five-six"]


def test_running_out_of_names_is_an_error(testbed: Testbed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "new_name", lambda _series: "one-two-three")
    testbed.create()
    answer = testbed.agent("POST", "/v1/links", {"user": "alice", "seconds": 60})
    assert (answer.status_code, answer.json()["code"]) == (500, "registry-error")
