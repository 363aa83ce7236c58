from __future__ import annotations

from typing import Any

from lightship_registry.store.reading import Reader
from unit.lightship_registry.testbed import Testbed, both_databases

pytestmark = both_databases


def claimed_at(testbed: Testbed, moment: float, seconds: int = 3600) -> dict[str, Any]:
    testbed.clock.now = moment - 600
    made = testbed.create(seconds=seconds)
    testbed.clock.now = moment
    testbed.claim(made)
    return made


def test_what_was_claimed_until_a_moment_and_runs_is_found_the_last_end_first(testbed: Testbed) -> None:
    moment = testbed.clock.now
    ended = claimed_at(testbed, moment - 100)
    testbed.job(ended, "end")
    longest = claimed_at(testbed, moment - 100.5, seconds=7200)
    exactly = claimed_at(testbed, moment + 0.5)
    claimed_at(testbed, moment + 1)
    # Made before, and claimed by no job yet.
    testbed.create()
    found = Reader(testbed.engine).claimed_until(moment)
    assert [link.name for link in found] == [longest["name"], exactly["name"]]
