"""What only PostgreSQL does: it lets several write at once."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from sqlalchemy import update

from lightship_protocol.states import READY
from lightship_registry.core.records import Creation
from lightship_registry.store.database import Database
from lightship_registry.store.links import LinkStore
from lightship_registry.store.schema import links
from unit.lightship_registry.store.test_links import ALICE, NEW, OTHER
from unit.lightship_registry.testbed import Testbed

pytestmark = pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)
TARGET = "10.0.0.1:4000"
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE usename = current_user AND wait_event_type = 'Lock'"


def wait_for_a_lock(testbed: Testbed) -> None:
    deadline = time.monotonic() + 10
    while True:
        # Anew each time: within one transaction PostgreSQL shows the same activity for ever.
        with testbed.engine.connect() as connection:
            if connection.exec_driver_sql(WAITING).scalar():
                return
        assert time.monotonic() < deadline, "nobody waits"
        time.sleep(0.01)


def test_a_target_that_is_taken_at_this_moment_is_taken(testbed: Testbed) -> None:
    for link in (NEW, OTHER):
        assert testbed.store.create(link, 10, 60) is Creation.DONE
        assert testbed.store.claim(link.name, "c", 1000.0, 2000.0)
    with ThreadPoolExecutor(1) as pool, testbed.engine.connect() as connection:
        connection.execute(update(links).where(links.c.name == OTHER.name).values(state=READY, target=TARGET))
        publishing = pool.submit(testbed.store.publish, NEW.name, TARGET, 1000.0, 1100.0, 900.0)
        wait_for_a_lock(testbed)
        connection.commit()
        assert publishing.result(10) is None
    found = testbed.store.find(NEW.name)
    assert found is not None
    assert (found.state, found.target) == ("starting", "")


def test_a_name_that_is_given_at_this_moment_is_taken(testbed: Testbed) -> None:
    second = LinkStore(Database(testbed.engine))
    links = [(testbed.store, NEW), (second, replace(OTHER, name=NEW.name))]
    with ThreadPoolExecutor(2) as pool:
        made = list(pool.map(lambda each: each[0].create(each[1], 10, 60), links))
    assert sorted(made, key=str) == [Creation.DONE, Creation.NAME_TAKEN]


def test_one_owner_waits_for_himself_and_for_nobody_else(testbed: Testbed) -> None:
    with ThreadPoolExecutor(1) as pool:
        with testbed.database.write("owner", ALICE.cluster, ALICE.user):
            assert testbed.store.create(OTHER, 10, 60) is Creation.DONE
            creating = pool.submit(testbed.store.create, NEW, 10, 60)
            wait_for_a_lock(testbed)
        assert creating.result(10) is Creation.DONE
