"""Satellite's words for how things stand, and how it reads what is said of jobs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lightship_registry.satellite import rules
from lightship_registry.satellite.rules import _ENDED_WORDS, _QUEUED_WORDS, JOB_WORDS, STALE_SECONDS, jobs_in
from unit.lightship_registry.programs import program
from unit.lightship_registry.satellites import NODE, Client, Rounds, build
from unit.lightship_registry.testbed import Testbed


@pytest.fixture
def testbed(tmp_path: Path) -> Iterator[Testbed]:
    testbed = build(tmp_path)
    yield testbed
    testbed.close()


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("PENDING", "Q"),
        ("PD", "Q"),
        ("Q", "Q"),
        ("REQUEUE_HOLD", "Q"),
        ("RUNNING", "R"),
        ("R", "R"),
        ("r", "R"),
        ("COMPLETED", "D"),
        ("CANCELLED+", "D"),
        ("OUT_OF_MEMORY", "D"),
        ("NODEFAIL", "D"),
        ("C", "D"),
        ("WHATEVER", "PE"),
        ("", "PE"),
    ],
)
def test_a_waiting_link_says_what_the_scheduler_said(testbed: Testbed, word: str, state: str) -> None:
    login = Client(testbed)
    name = login.token()
    login.get(f"/linktoken.cgi?token={name}&jobid=17")
    login.report(f"16 RUNNING\n17   {word}\n18 COMPLETED\n")
    assert login.state(name) == state


def test_an_old_word_counts_for_nothing(testbed: Testbed) -> None:
    login = Client(testbed)
    name = login.token()
    login.get(f"/linktoken.cgi?token={name}&jobid=17")
    login.report("17 PENDING")
    testbed.clock.now += STALE_SECONDS
    assert login.state(name) == "Q"
    testbed.clock.now += 1
    assert login.state(name) == "PE"


def test_a_notebook_that_answers_is_proxied_whatever_the_queue_says_but_for_a_dead_job(testbed: Testbed) -> None:
    login, node = Client(testbed), Client(testbed, NODE)
    name = login.token()
    login.get(f"/linktoken.cgi?token={name}&jobid=17")
    with program() as port:
        node.redeem(name, port)
        login.report("17 RUNNING")
        assert login.state(name) == "M"
        Rounds(testbed).go()
        login.report("17 PENDING")
        assert login.state(name) == "PR"
        login.report("17 COMPLETED")
        assert login.state(name) == "D"
        # Anybody in the cluster may have said so.
        assert list(testbed.routes) == [name]
        testbed.clock.now += testbed.settings.lease_seconds
        login.report("17 RUNNING")
        assert login.state(name) == "M"


def test_an_array_job_is_the_same_job_wherever_it_is_named(testbed: Testbed) -> None:
    login = Client(testbed)
    name = login.token()
    login.get(f"/linktoken.cgi?token={name}&jobid=17_[4]")
    login.report("17_[4] PD")
    assert login.state(name) == "Q"


def test_jobs_are_of_one_cluster(testbed: Testbed) -> None:
    login, elsewhere = Client(testbed), Client(testbed, "127.8.0.1")
    name = login.token()
    login.get(f"/linktoken.cgi?token={name}&jobid=17")
    elsewhere.report("17 COMPLETED")
    assert login.state(name) == "PE"


def test_lines_without_meaning_are_let_pass() -> None:
    assert jobs_in("\n17\n \t\nRUNNING\n18 RUNNING now\r\n\x00 R\n; R\n19\tPD\n" + "7" * 99 + " R\n") == {
        "18": "running",
        "19": "queued",
        "7" * 48: "running",
    }


def test_no_word_means_two_things() -> None:
    assert {JOB_WORDS[word] for word in ("R", "RUNNING")} == {"running"}
    assert set(JOB_WORDS.values()) == {"queued", "running", "ended"}
    assert not set(_QUEUED_WORDS.split()) & set(_ENDED_WORDS.split())


def test_no_more_states_are_kept_than_a_large_cluster_has_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "MOST_TOLD", 3)
    told = rules.ToldStates()
    told.note({"1": "running", "2": "running"}, 100.0)
    told.note({"1": "ended", "3": "queued", "4": "queued"}, 200.0)
    assert [told.of(job, 200.0) for job in "1234"] == [
        ("ended", 200.0),
        ("", 0.0),
        ("queued", 200.0),
        ("queued", 200.0),
    ]


def test_of_a_report_no_more_lines_are_read_than_jobs_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "MOST_TOLD", 3)
    # Empty lines do not count, and lines without a meaning do.
    lines = "\n \n\r\n".join(["1 R", "no job here", "2 R", "3 R"])
    assert jobs_in(lines) == {"1": "running", "2": "running"}
    assert jobs_in("\n" * 2**20 + lines) == {"1": "running", "2": "running"}
