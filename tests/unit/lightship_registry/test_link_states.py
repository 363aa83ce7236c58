"""Any sequence of events, on the store and on a few lines of plain Python that say what must come of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import delete, select

from lightship_registry.core.records import Cause, Creation, Ending, LinkRequest, NewLink, Owner
from lightship_registry.store.schema import links
from unit.lightship_registry.testbed import Testbed

QUOTA, HOURLY, WAIT, LEASE, REST, SILENCE, HOUR = 3, 4, 5000.0, 90.0, 75.0, 600.0, 3600.0
OWNERS = [Owner("demo", "alice"), Owner("other", "alice")]
NAMES = [f"one-two-{letter * 3}" for letter in "abcdefghijklmnop"]
TARGETS = ["10.0.0.1:4000", "10.0.0.1:4001"]
CAUSES = [Cause.STOPPED, Cause.CANCELLED, Cause.REVOKED]
NOT_STARTED, TIME_OVER, SILENT = (
    Ending(cause, cause.value) for cause in (Cause.NOT_STARTED, Cause.TIME_LIMIT, Cause.SILENT)
)

numbers, jobs, seconds = st.integers(0, 5), st.sampled_from(["17", "18"]), st.sampled_from([60, 1000, 8000])
owners, addresses, causes = (
    st.sampled_from(OWNERS),
    st.sampled_from([*TARGETS[:1] * 3, *TARGETS]),
    st.sampled_from(CAUSES),
)


@dataclass
class Row:
    """What is to be found in the store of one link."""

    owner: Owner
    created_at: float
    expires_at: float
    state: str = "waiting"
    job_id: str = ""
    target: str = ""
    lease_until: float = 0.0
    ready_at: float = 0.0
    ended_at: float = 0.0
    cause: str = ""


class LinkStates(RuleBasedStateMachine):
    testbed: Testbed

    def __init__(self) -> None:
        super().__init__()
        self.store, self.engine = self.testbed.store, self.testbed.engine
        self.now = 1_000_000.0
        self.rows: dict[str, Row] = {}

    @initialize()
    def empty(self) -> None:
        with self.engine.begin() as connection:
            connection.execute(delete(links))

    # Events. Each compares the store's answer with what the rules say, and carries the change out in both.

    @rule(owner=owners, name=st.sampled_from(NAMES), wish=seconds)
    def create(self, owner: Owner, name: str, wish: int) -> None:
        mine = [row for row in self.rows.values() if row.owner == owner]
        expected = Creation.DONE
        if sum(row.created_at > self.now - HOUR for row in mine) >= HOURLY:
            expected = Creation.TOO_MANY
        elif sum(row.state != "ended" for row in mine) >= QUOTA:
            expected = Creation.OVER_QUOTA
        elif name in self.rows:
            expected = Creation.NAME_TAKEN
        link = NewLink(name, owner, "5" * 64, LinkRequest(wish), self.now, self.now + WAIT)
        assert self.store.create(link, QUOTA, HOURLY) is expected
        if expected is Creation.DONE:
            self.rows[name] = Row(owner, self.now, self.now + WAIT)

    def some(self, number: int) -> tuple[str, Row]:
        """Any link that was made, rather one that has not ended."""
        return sorted(self.rows.items(), key=lambda item: item[1].state == "ended")[number % len(self.rows)]

    @precondition(lambda self: self.rows)
    @rule(number=numbers, owner=owners, job=jobs)
    def set_job(self, number: int, owner: Owner, job: str) -> None:
        name, row = self.some(number)
        expected = row.owner == owner and row.state != "ended" and row.job_id in ("", job)
        assert self.store.set_job(name, owner, job) is expected
        if expected:
            row.job_id = job

    @precondition(lambda self: self.rows)
    @rule(number=numbers, lasts=seconds)
    def claim(self, number: int, lasts: int) -> None:
        name, row = self.some(number)
        expected = row.state == "waiting" and self.now < row.expires_at
        assert self.store.claim(name, "c" * 64, self.now, self.now + lasts) is expected
        if expected:
            row.state, row.expires_at = "starting", self.now + lasts

    @precondition(lambda self: self.rows)
    @rule(number=numbers, address=addresses)
    def publish(self, number: int, address: str) -> None:
        name, row = self.some(number)
        others = [other for other in self.rows.values() if other is not row and other.target == address]
        fresh = row.state == "starting" or (row.state == "ready" and row.target == address)
        free = all(other.state == "ended" and other.ended_at <= self.now - REST for other in others)
        expected = fresh and free and self.now < row.expires_at
        published = self.store.publish(name, address, self.now, self.now + LEASE, self.now - REST)
        assert published == (self.store.get(name) if expected else None)
        assert self.store.had_target(name, address) is bool(others)
        if expected:
            row.state, row.target, row.lease_until = "ready", address, self.now + LEASE
            row.ready_at = row.ready_at or self.now

    @precondition(lambda self: self.rows)
    @rule(number=numbers)
    def heartbeat(self, number: int) -> None:
        name, row = self.some(number)
        expected = row.state in ("starting", "ready") and self.now < row.expires_at
        renewed = self.store.renew(name, self.now, self.now + LEASE)
        assert renewed == (self.store.get(name) if expected else None)
        if expected:
            row.lease_until = self.now + LEASE

    @precondition(lambda self: self.rows)
    @rule(number=numbers, cause=causes)
    def end(self, number: int, cause: Cause) -> None:
        name, row = self.some(number)
        expected = row.state != "ended"
        ended = self.store.end(name, Ending(cause, cause.value), self.now)
        assert ended == (self.store.get(name) if expected else None)
        if expected:
            self.over([name], cause)

    @rule()
    def sweep(self) -> None:
        """As the service does every few seconds."""
        late = [name for name, row in self.rows.items() if row.expires_at <= self.now]
        unstarted = {name for name in late if self.rows[name].state == "waiting"}
        assert set(self.store.end_waiting(NOT_STARTED, self.now)) == unstarted
        self.over(unstarted, NOT_STARTED.cause)
        overdue = {name for name in late if self.rows[name].state in ("starting", "ready")}
        assert set(self.store.end_overdue(TIME_OVER, self.now)) == overdue
        self.over(overdue, TIME_OVER.cause)
        silent = {
            name for name, row in self.rows.items() if row.state == "ready" and row.lease_until <= self.now - SILENCE
        }
        assert set(self.store.end_silent(SILENT, self.now, SILENCE)) == silent
        self.over(silent, SILENT.cause)

    @rule(by=st.sampled_from([1, 60, 600]))
    def time_passes(self, by: int) -> None:
        self.now += by

    @precondition(lambda self: self.rows)
    @rule(number=numbers)
    def something_is_due(self, number: int) -> None:
        """The clock stops at the very moment when a limit is reached: there the rules are most easily wrong."""
        moments = {
            moment
            for row in self.rows.values()
            for moment in (
                row.expires_at,
                row.lease_until,
                row.lease_until + SILENCE,
                row.ended_at + REST,
                row.created_at + HOUR,
            )
            if moment > self.now
        }
        if moments:
            self.now = sorted(moments)[number % len(moments)]

    @precondition(lambda self: self.rows)
    @rule(number=numbers, lasts=seconds, address=addresses)
    def job_starts(self, number: int, lasts: int, address: str) -> None:
        self.claim(number, lasts)
        self.publish(number, address)

    def over(self, ended: list[str] | set[str], cause: Cause) -> None:
        for name in ended:
            row = self.rows[name]
            row.state, row.cause, row.ended_at = "ended", cause.value, self.now

    # What holds whatever happened.

    @invariant()
    def the_store_holds_what_the_rules_say(self) -> None:
        with self.engine.connect() as connection:
            found = {
                row.name: Row(
                    Owner(row.cluster, row.user),
                    row.created_at,
                    row.expires_at,
                    row.state,
                    row.job_id,
                    row.target,
                    row.lease_until,
                    row.ready_at,
                    row.ended_at,
                    row.cause,
                )
                for row in connection.execute(select(links))
            }
        assert found == self.rows

    @invariant()
    def routes_are_those_of_ready_links_with_lease_and_time(self) -> None:
        assert self.store.live_routes(self.now) == {
            name: f"https://{row.target}"
            for name, row in self.rows.items()
            if row.state == "ready" and self.now < row.lease_until and self.now < row.expires_at
        }

    @invariant()
    def no_target_has_two_links(self) -> None:
        taken = Counter(row.target for row in self.rows.values() if row.state == "ready")
        assert not taken or max(taken.values()) == 1

    @invariant()
    def nobody_has_more_links_than_allowed(self) -> None:
        live = Counter(row.owner for row in self.rows.values() if row.state != "ended")
        assert not live or max(live.values()) <= QUOTA


def walk(testbed: Testbed, walks: int) -> None:
    class Here(LinkStates):
        pass

    Here.testbed = testbed
    run_state_machine_as_test(Here, settings=settings(max_examples=walks, stateful_step_count=40, deadline=None))


def test_no_sequence_of_events_breaks_a_rule(testbed: Testbed) -> None:
    walk(testbed, 100)


@pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)
def test_none_does_on_postgresql(testbed: Testbed) -> None:
    walk(testbed, 20)
