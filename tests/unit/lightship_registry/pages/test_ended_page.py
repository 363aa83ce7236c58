from __future__ import annotations

import dataclasses

from lightship_cluster.commands import stop
from lightship_registry.core.records import Cause
from lightship_registry.pages import routes
from lightship_registry.pages.ended_page import EPITAPHS, epitaph, is_told
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


def test_who_ended_it_is_said_where_it_is_known(world: World) -> None:
    link = world.store.find(world.create()["name"])
    assert link
    ways = {
        stop.REASON: "You stopped",
        routes.ENDED_BY_OWNER.reason: "You ended",
        routes.CANCELLED.reason: "You cancelled",
    }
    for reason, heading in ways.items():
        stopped = dataclasses.replace(link, cause=Cause.CANCELLED, reason=reason, ready_at=1.0)
        assert epitaph(stopped).heading == f"{heading} this notebook"
        assert "link or its job" not in epitaph(stopped).why
        assert is_told(stopped)
    other = dataclasses.replace(link, cause=Cause.CANCELLED, reason="Maintenance.")
    assert not is_told(other)
    # A job may say anything: what it says of another cause is no word of its owner's.
    assert epitaph(dataclasses.replace(link, cause=Cause.FAILED, reason=stop.REASON)) == EPITAPHS[Cause.FAILED]


def test_a_program_is_called_a_program(world: World) -> None:
    link = world.store.find(world.create(subject="program")["name"])
    assert link
    for cause in Cause:
        said = epitaph(dataclasses.replace(link, cause=cause))
        assert "notebook" not in " ".join(dataclasses.astuple(said))
        assert "program" in said.heading or cause is Cause.REVOKED
