from __future__ import annotations

import os
import pwd
from collections.abc import Iterable
from typing import Any

import pytest

from lightship_cluster.agent import job_watcher
from lightship_cluster.agent.job_watcher import JobWatcher
from lightship_cluster.agent.scheduler_check import SchedulerCheck
from lightship_cluster.core.errors import LightshipError
from lightship_cluster.registry_client.registry import SignedRegistry
from lightship_cluster.registry_client.transport import Transport
from lightship_cluster.schedulers.base import GONE, JobState
from lightship_cluster.schedulers.slurm import Slurm
from lightship_protocol import limits
from unit.lightship_cluster.fake_registry import FakeRegistry

ME, NOBODY = os.getuid(), 3999999999


class Queue(Slurm):
    def __init__(self, **jobs: JobState) -> None:
        self.jobs = {key.strip("_"): job for key, job in jobs.items()}
        self.accounts: dict[str, JobState] = {}
        self.asked: list[list[str]] = []
        self.error: Exception | None = None

    def job_states(self, job_ids: Iterable[str]) -> dict[str, JobState]:
        self.asked.append(list(job_ids))
        if self.error:
            raise self.error
        return {job_id: self.jobs.get(job_id, GONE) for job_id in self.asked[-1]}

    def accounted(self, job_ids: Iterable[str]) -> dict[str, JobState]:
        return {job_id: self.accounts[job_id] for job_id in job_ids if job_id in self.accounts}


def watcher_of(registry: FakeRegistry, queue: Queue, *job_ids: str) -> JobWatcher:
    registry.replies["jobs"] = (200, {"watch": list(job_ids), "interval": 7})
    signed = SignedRegistry(Transport(registry.url, registry.ca_file), "demo", bytes(32))
    watcher = JobWatcher(signed, queue, SchedulerCheck(queue))
    assert watcher.round() == 7
    return watcher


def told(registry: FakeRegistry) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = registry.asked[-1].json["jobs"]
    return entries


def test_nothing_is_asked_while_there_is_nothing_to_watch(registry: FakeRegistry) -> None:
    queue = Queue()
    watcher_of(registry, queue).round()

    assert [asked.json for asked in registry.asked] == [{"jobs": []}] * 2
    assert not queue.asked


def test_one_question_serves_the_whole_list(registry: FakeRegistry) -> None:
    queue = Queue(_17=JobState("PENDING", "Priority", uid=ME), _18=JobState("RUNNING"))
    watcher_of(registry, queue, "17", "18").round()
    user = pwd.getpwuid(ME).pw_name

    assert queue.asked == [["17", "18"]]
    assert told(registry) == [
        {"job_id": "17", "state": "queued", "reason": "Other jobs come first.", "start": 0, "user": user},
        {"job_id": "18", "state": "running", "reason": "", "start": 0},
    ]


def test_the_accounting_says_how_a_forgotten_job_ended(registry: FakeRegistry) -> None:
    queue = Queue()
    queue.accounts = {"17": JobState("OUT_OF_MEMORY")}
    watcher_of(registry, queue, "17", "18").round()

    assert [(entry["state"], entry.get("cause")) for entry in told(registry)] == [
        ("ended", "out-of-memory"),
        ("ended", None),
    ]


def test_a_job_of_somebody_without_a_name_is_no_links(registry: FakeRegistry) -> None:
    watcher_of(registry, Queue(_17=JobState("RUNNING", uid=NOBODY)), "17").round()

    assert told(registry) == []


def test_a_long_list_goes_in_parts_that_the_web_server_takes(registry: FakeRegistry) -> None:
    numbers = [str(number) for number in range(1, 1001)]
    watcher = watcher_of(registry, Queue(), *numbers)
    watcher.round()
    parts = [asked.json["jobs"] for asked in registry.asked[1:]]

    assert [entry["job_id"] for part in parts for entry in part] == numbers
    assert all(len(asked.body) < 65536 for asked in registry.asked)
    longest = {"job_id": "x" * 64, "state": "running", "reason": "x" * 200, "start": 10**10, "user": "x" * 64}
    assert len(str([{**longest, "cause": "out-of-memory"}] * job_watcher.ENTRIES)) < 65536


def test_trouble_is_said_once_and_waited_out(registry: FakeRegistry, capsys: pytest.CaptureFixture[str]) -> None:
    queue = Queue()
    watcher = watcher_of(registry, queue, "17")
    queue.error = LightshipError("squeue failed: no controller.")
    asked = len(registry.asked)
    pauses = [watcher.round()]
    assert len(registry.asked) == asked, "it asked for the list that it can do nothing with"

    registry.replies["jobs"] = (404, {"code": "no-such-address", "error": "No such address."})
    pauses += [watcher.round() for _ in range(8)]
    assert pauses == [7, 14, 28, 56, 112, 224, 300, 300, 300]

    registry.replies["jobs"] = (200, {"watch": [], "interval": 7})
    assert [watcher.round() for _ in range(2)] == [7, 7]
    printed = capsys.readouterr().out
    assert [printed.count(words) for words in ("no controller", "No such address", "told again")] == [1, 1, 1]


def test_a_surprise_does_not_end_the_watch(registry: FakeRegistry, capsys: pytest.CaptureFixture[str]) -> None:
    queue = Queue()
    watcher = watcher_of(registry, queue, "17")
    queue.error = ZeroDivisionError()

    assert watcher.round() == 7
    assert "ZeroDivisionError" in capsys.readouterr().out
    asked = len(registry.asked)
    watcher.round()
    assert len(registry.asked) == asked + 1


def test_an_unreachable_registry_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    JobWatcher(
        SignedRegistry(Transport("https://127.0.0.1:9"), "demo", bytes(32)), Queue(), SchedulerCheck(Queue())
    ).round()

    assert "cannot be reached (127.0.0.1:9" in capsys.readouterr().out


@pytest.mark.parametrize("answer", [{}, {"watch": "17", "interval": 0}, {"watch": [17, "a b", None], "interval": "x"}])
def test_a_strange_answer_is_an_empty_list(registry: FakeRegistry, answer: dict[str, Any]) -> None:
    queue = Queue()
    watcher = watcher_of(registry, queue)
    registry.replies["jobs"] = (200, answer)

    assert [watcher.round() for _ in range(2)] == [7, 7]
    assert not queue.asked


def test_why_the_scheduler_cannot_be_asked_is_told_until_it_can_and_once_more(registry: FakeRegistry) -> None:
    queue = Queue()
    signed = SignedRegistry(Transport(registry.url, registry.ca_file), "demo", bytes(32))
    registry.replies["jobs"] = (200, {"watch": [], "interval": 7})
    check = SchedulerCheck(queue)
    watcher = JobWatcher(signed, queue, check)
    for check.last in ("", "qstat failed: no.", "qstat failed: no.", "", ""):
        watcher.round()

    host = os.uname().nodename
    bad, well = {"jobs": [], "host": host, "fault": "qstat failed: no."}, {"jobs": [], "host": host, "fault": ""}
    assert [asked.json for asked in registry.asked] == [{"jobs": []}, bad, bad, well, {"jobs": []}]


def test_a_fault_that_the_registry_did_not_hear_is_told_as_over_all_the_same(registry: FakeRegistry) -> None:
    queue = Queue()
    check = SchedulerCheck(queue)
    watcher = JobWatcher(SignedRegistry(Transport(registry.url, registry.ca_file), "demo", bytes(32)), queue, check)
    for status, check.last in ((200, "x" * 9999), (503, ""), (200, ""), (200, "")):
        registry.replies["jobs"] = (status, {"watch": []})
        watcher.round()
    bodies = [asked.json for asked in registry.asked]
    assert len(bodies[0]["fault"]) == limits.FAULT
    assert bodies[-2]["fault"] == ""
    assert "fault" not in bodies[-1]
