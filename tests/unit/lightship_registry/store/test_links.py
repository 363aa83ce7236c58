from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from sqlalchemy import update
from sqlalchemy.exc import IntegrityError

from lightship_protocol.states import READY
from lightship_registry.core.records import Cause, Creation, Ending, Link, LinkRequest, NewLink, Owner
from lightship_registry.store.links import LinkStore
from lightship_registry.store.schema import links
from unit.lightship_registry.testbed import Testbed, both_databases

pytestmark = both_databases

ALICE = Owner("demo", "alice")
NEW = NewLink("one-two-three", ALICE, "5" * 64, LinkRequest(60), 1000.0, 2000.0)
OVER = Ending(Cause.STOPPED, "over")
OTHER = replace(NEW, name="four-five-six", owner=Owner("demo", "bob"))


@pytest.fixture
def store(testbed: Testbed) -> LinkStore:
    return testbed.store


def published(store: LinkStore, link: NewLink, target: str, *, lease_until: float = 1100.0) -> Link | None:
    assert store.create(link, 10, 60) is Creation.DONE
    assert store.claim(link.name, "c" * 64, 1000.0, 2000.0)
    return store.publish(link.name, target, 1000.0, lease_until, 900.0)


def test_create_and_find(store: LinkStore) -> None:
    assert store.find(NEW.name) is None
    assert store.create(NEW, 1, 60) is Creation.DONE
    link = store.find(NEW.name)
    assert link is not None
    assert (link.owner, link.state, link.target, link.expires_at) == (ALICE, "waiting", "", 2000.0)


def test_a_name_is_given_once_for_ever(store: LinkStore) -> None:
    store.create(NEW, 10, 60)
    store.end(NEW.name, OVER, 1001.0)
    assert store.create(NEW, 10, 60) is Creation.NAME_TAKEN


def test_quota_holds_against_a_race(store: LinkStore) -> None:
    def create(number: int) -> Creation:
        return store.create(replace(NEW, name=f"one-two-{'abcdefghijklmnopqrst'[number] * 3}"), 5, 60)

    with ThreadPoolExecutor(10) as pool:
        made = list(pool.map(create, range(20)))
    assert made.count(Creation.DONE) == 5
    assert made.count(Creation.OVER_QUOTA) == 15


def test_creations_of_one_hour_are_counted_ended_or_not(store: LinkStore) -> None:
    for number, letter in enumerate("abc"):
        link = replace(NEW, name=f"one-two-{letter * 3}", created_at=1000.0 + number)
        assert store.create(link, 1, 3) is Creation.DONE
        store.end(link.name, OVER, link.created_at)
    late = replace(NEW, name="six-six-six", created_at=4599.9)
    assert store.create(late, 1, 3) is Creation.TOO_MANY
    assert store.may_create_at(ALICE, 3) == 4600.0
    assert store.create(replace(late, owner=OTHER.owner, name="bobs-own-one"), 1, 3) is Creation.DONE
    assert store.create(replace(late, created_at=4600.0), 1, 3) is Creation.DONE
    assert store.may_create_at(ALICE, 3) == 4601.0


def test_the_hours_limit_holds_against_a_race(store: LinkStore) -> None:
    def create(number: int) -> Creation:
        return store.create(replace(NEW, name=f"one-two-{'abcdefghijklmnopqrst'[number] * 3}"), 20, 5)

    with ThreadPoolExecutor(10) as pool:
        made = list(pool.map(create, range(20)))
    assert made.count(Creation.DONE) == 5
    assert made.count(Creation.TOO_MANY) == 15


def test_quota_is_per_user_and_cluster(store: LinkStore) -> None:
    assert store.create(NEW, 1, 60) is Creation.DONE
    assert store.create(replace(NEW, name="six-six-six"), 1, 60) is Creation.OVER_QUOTA
    assert store.create(OTHER, 1, 60) is Creation.DONE
    assert store.create(replace(NEW, name="six-six-six", owner=Owner("other", "alice")), 1, 60) is Creation.DONE


def test_claim_only_before_the_end_of_waiting(store: LinkStore) -> None:
    store.create(NEW, 10, 60)
    assert not store.claim(NEW.name, "c", 2000.0, 3000.0)
    assert store.claim(NEW.name, "c", 1999.0, 3000.0)
    assert not store.claim(NEW.name, "c", 1999.0, 3000.0)


def test_target_of_a_live_link_is_taken(store: LinkStore) -> None:
    assert published(store, NEW, "10.0.0.1:4000")
    assert not published(store, OTHER, "10.0.0.1:4000")


def test_target_rests(store: LinkStore) -> None:
    assert published(store, NEW, "10.0.0.1:4000")
    store.end(NEW.name, OVER, 1050.0)
    assert not published(store, OTHER, "10.0.0.1:4000")
    assert not store.publish(OTHER.name, "10.0.0.1:4000", 1100.0, 1200.0, rested_since=1049.0)
    assert store.publish(OTHER.name, "10.0.0.1:4000", 1100.0, 1200.0, rested_since=1050.0)
    assert store.had_target(OTHER.name, "10.0.0.1:4000")
    assert not store.had_target(OTHER.name, "10.0.0.1:4001")


def test_the_database_itself_refuses_a_second_live_link(store: LinkStore, testbed: Testbed) -> None:
    published(store, NEW, "10.0.0.1:4000")
    store.create(OTHER, 10, 60)
    with testbed.engine.connect() as connection, pytest.raises(IntegrityError):
        connection.execute(update(links).where(links.c.name == OTHER.name).values(state=READY, target="10.0.0.1:4000"))


def test_one_of_many_links_at_once_gets_the_target(store: LinkStore) -> None:
    names = [f"one-two-{letter * 3}" for letter in "abcdefgh"]
    for name in names:
        store.create(replace(NEW, name=name), 10, 60)
        store.claim(name, "c", 1000.0, 2000.0)
    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(lambda name: store.publish(name, "10.0.0.1:4000", 1000.0, 1100.0, 900.0), names))
    assert len(list(filter(None, won))) == 1


def test_first_end_counts(store: LinkStore) -> None:
    store.create(NEW, 10, 60)
    assert store.end(NEW.name, replace(OVER, reason="first"), 1001.0)
    assert not store.end(NEW.name, replace(OVER, reason="second"), 1002.0)
    link = store.find(NEW.name)
    assert link is not None
    assert (link.reason, link.ended_at) == ("first", 1001.0)


def test_live_routes_need_lease_and_time(store: LinkStore) -> None:
    published(store, NEW, "10.0.0.1:4000")
    assert store.live_routes(1099.0) == {NEW.name: "https://10.0.0.1:4000"}
    assert store.live_routes(1100.0) == {}
    assert store.renew(NEW.name, 1100.0, 3000.0)
    assert store.live_routes(1999.0) == {NEW.name: "https://10.0.0.1:4000"}
    assert store.live_routes(2000.0) == {}
    assert not store.renew(NEW.name, 2000.0, 3000.0)


def test_ends_of_all_kinds(store: LinkStore) -> None:
    published(store, NEW, "10.0.0.1:4000")
    store.create(OTHER, 10, 60)
    assert store.end_silent(OVER, 1159.0, 60.0) == []
    assert store.end_silent(OVER, 1160.0, 60.0) == [NEW.name]
    assert store.end_overdue(OVER, 5000.0) == []
    assert store.end_waiting(OVER, 1999.0) == []
    assert store.end_waiting(OVER, 2000.0) == [OTHER.name]
