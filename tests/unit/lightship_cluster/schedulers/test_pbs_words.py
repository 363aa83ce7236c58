"""Comments as the scheduler of OpenPBS writes them (its own tests and the guides of large sites quote them)."""

from __future__ import annotations

import time

import pytest

from lightship_cluster.schedulers.base import GONE, JobReport, JobState
from lightship_cluster.schedulers.pbs_words import over, report, words

TOMORROW = int(time.time()) + 86400


@pytest.mark.parametrize(
    ("job", "said"),
    [
        (JobState("Q"), "queued"),
        (JobState("Q", "Not Running: Insufficient amount of resource: ncpus"), "queued: waiting for free nodes"),
        (JobState("Q", "Not Running: Not enough free nodes available"), "queued: waiting for free nodes"),
        (JobState("Q", "Not Running: Job would conflict with reservation or top job"), "queued: other jobs come first"),
        (
            JobState("Q", "Not Running: User has reached queue workq running job limit."),
            "queued: you use as much as one user may",
        ),
        (
            JobState("Q", "Not Running: Queue workq job limit has been reached."),
            "queued: a limit of its queue or of the cluster is reached",
        ),
        (JobState("Q", "Not Running: Queue not started."), "queued: its queue is stopped"),
        (
            JobState("Q", "Can Never Run: Insufficient amount of resource: mem (R: 9tb A: 1tb T: 1tb)"),
            "queued: it can never run here; cancel it (Insufficient amount of resource: mem (R: 9tb A: 1tb T: 1tb))",
        ),
        (JobState("Q", "Something new"), "queued: the scheduler says Something new"),
        (JobState("H", "u"), "on hold: release it with qrls and its number"),
        (JobState("H", "so"), "on hold: it is held by the system, most often because it could not be started"),
        (JobState("H", "o"), "on hold: an administrator holds it"),
        (JobState("H", "job held, too many failed attempts to run"), "on hold: it could not be started and is on hold"),
        (JobState("W"), "queued: its start time has not come"),
        (JobState("T"), "queued"),
        (JobState("R", "Job run at Thu Nov 26 at 10:00 on (node1:ncpus=1)"), "the job has begun"),
        (JobState("B"), "the job has begun"),
        (JobState("E"), "the job is ending"),
        (JobState("S"), "the job is suspended"),
        (JobState("U"), "the job is suspended, for somebody works at its machine"),
        (JobState("M"), "the job was moved to another server, where it cannot be followed"),
        (JobState("F", "time-limit"), "the job's time is over"),
        (JobState("X"), "the job is over"),
        (JobState("?"), "the scheduler says ?"),
        (GONE, "the job is over and no longer listed"),
    ],
)
def test_states_in_plain_words(job: JobState, said: str) -> None:
    assert words(job) == said


def test_an_estimate_is_told() -> None:
    said = words(JobState("Q", "Not Running: Not enough free nodes available", TOMORROW))

    assert said == time.strftime("queued: waiting for free nodes, starts about %d %b %H:%M", time.localtime(TOMORROW))


@pytest.mark.parametrize(
    ("job", "told"),
    [
        (JobState("Q", "", TOMORROW), JobReport("queued", "", TOMORROW)),
        (JobState("H", "u"), JobReport("held", "Release it with qrls and its number.")),
        (JobState("H", "n"), JobReport("held", "On hold.")),
        (JobState("R", "Job run at"), JobReport("running")),
        (JobState("S"), JobReport("running", "The job is suspended.")),
        (JobState("F", "cancelled"), JobReport("ended", "The job was cancelled.", cause="cancelled")),
        (
            JobState("C", "out-of-memory"),
            JobReport("ended", words(JobState("C", "out-of-memory")).capitalize() + ".", cause="out-of-memory"),
        ),
        (GONE, JobReport("ended", "The job is over and no longer listed.")),
    ],
)
def test_the_registry_is_told_in_sentences(job: JobState, told: JobReport) -> None:
    assert report(job) == told


def test_what_is_over() -> None:
    assert [state for state in "QWTHRBESUMFCX" if over(state)] == ["F", "C", "X"]
