from __future__ import annotations

import dataclasses

from lightship_registry.records import Cause
from lightship_registry.tombstones import EPITAPHS, epitaph
from unit.lightship_registry.world import World


def test_each_cause_has_its_own_words() -> None:
    assert set(EPITAPHS) == set(Cause)
    assert len({words.heading for words in EPITAPHS.values()}) == len(Cause)
    assert "`-t`" in EPITAPHS[Cause.TIME_LIMIT].remedy
    assert "`-m`" in EPITAPHS[Cause.OUT_OF_MEMORY].remedy
    assert "centre" in EPITAPHS[Cause.REVOKED].remedy


def test_what_ran_was_ended_and_what_never_ran_was_cancelled(world: World) -> None:
    link = world.store.find(world.create()["name"])
    assert link
    waited = dataclasses.replace(link, cause=Cause.CANCELLED)
    assert epitaph(waited).heading == "This notebook was cancelled"
    assert epitaph(dataclasses.replace(waited, ready_at=1.0)).heading == "This notebook was ended"
    assert epitaph(dataclasses.replace(waited, ready_at=1.0, cause=Cause.STOPPED)) == EPITAPHS[Cause.STOPPED]


def test_a_cause_of_another_version_is_no_cause(world: World) -> None:
    link = world.store.find(world.create()["name"])
    assert link
    for cause in ("", "struck by lightning"):
        assert epitaph(dataclasses.replace(link, cause=cause)) == EPITAPHS[Cause.ENDED]
