from __future__ import annotations

import dataclasses

from lightship_cluster.commands import stop
from lightship_registry.core.records import Cause
from lightship_registry.pages import routes
from lightship_registry.pages.ended_page import TEXTS, ended_text, is_told
from unit.lightship_registry.testbed import Testbed


def test_each_cause_has_its_own_words() -> None:
    assert set(TEXTS) == set(Cause)
    assert len({words.heading for words in TEXTS.values()}) == len(Cause)
    assert "`-t`" in TEXTS[Cause.TIME_LIMIT].remedy
    assert "`-m`" in TEXTS[Cause.OUT_OF_MEMORY].remedy
    assert "centre" in TEXTS[Cause.REVOKED].remedy


def test_what_ran_was_ended_and_what_never_ran_was_cancelled(testbed: Testbed) -> None:
    link = testbed.store.find(testbed.create()["name"])
    assert link
    waited = dataclasses.replace(link, cause=Cause.CANCELLED)
    assert ended_text(waited).heading == "This notebook was cancelled"
    assert ended_text(dataclasses.replace(waited, ready_at=1.0)).heading == "This notebook was ended"
    assert ended_text(dataclasses.replace(waited, ready_at=1.0, cause=Cause.STOPPED)) == TEXTS[Cause.STOPPED]


def test_a_cause_of_another_version_is_no_cause(testbed: Testbed) -> None:
    link = testbed.store.find(testbed.create()["name"])
    assert link
    for cause in ("", "struck by lightning"):
        assert ended_text(dataclasses.replace(link, cause=cause)) == TEXTS[Cause.ENDED]


def test_who_ended_it_is_said_where_it_is_known(testbed: Testbed) -> None:
    link = testbed.store.find(testbed.create()["name"])
    assert link
    ways = {
        stop.REASON: "You stopped",
        routes.ENDED_BY_OWNER.reason: "You ended",
        routes.CANCELLED.reason: "You cancelled",
    }
    for reason, heading in ways.items():
        stopped = dataclasses.replace(link, cause=Cause.CANCELLED, reason=reason, ready_at=1.0)
        assert ended_text(stopped).heading == f"{heading} this notebook"
        assert "link or its job" not in ended_text(stopped).why
        assert is_told(stopped)
    other = dataclasses.replace(link, cause=Cause.CANCELLED, reason="Maintenance.")
    assert not is_told(other)
    # A job may say anything: what it says of another cause is no word of its owner's.
    assert ended_text(dataclasses.replace(link, cause=Cause.FAILED, reason=stop.REASON)) == TEXTS[Cause.FAILED]


def test_a_program_is_called_a_program(testbed: Testbed) -> None:
    link = testbed.store.find(testbed.create(subject="program")["name"])
    assert link
    for cause in Cause:
        said = ended_text(dataclasses.replace(link, cause=cause))
        assert "notebook" not in " ".join(dataclasses.astuple(said))
        assert "program" in said.heading or cause is Cause.REVOKED
