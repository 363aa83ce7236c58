"""Comments as OpenPBS 23.06.06 writes them: all of src/scheduler/job_info.cpp, and the server's own."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from lightship_cluster.schedulers.base import GONE, JobReport, JobState
from lightship_cluster.schedulers.pbs_phrases import over, phrase, report

TOMORROW = int(time.time()) + 86400
COMMENTS = Path(__file__).with_name("openpbs").joinpath("comments.txt").read_text("utf-8").splitlines()


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
            "queued: as many jobs run as may",
        ),
        (JobState("Q", "Not Running: Queue not started."), "queued: its queue is stopped"),
        (
            JobState("Q", "Can Never Run: Insufficient amount of resource: mem (R: 9tb A: 1tb T: 1tb)"),
            "queued: it can never run here; cancel it (Insufficient amount of resource: mem (R: 9tb A: 1tb T: 1tb))",
        ),
        (JobState("Q", "Something new"), "queued: the scheduler says Something new"),
        (JobState("H", "u"), "on hold: release it with qrls and its number"),
        (JobState("H", "so"), "on hold: the system holds it, most often because it could not be started"),
        (JobState("H", "o"), "on hold: an administrator holds it"),
        (JobState("H", "job held, too many failed attempts to run"), "on hold: it could not be started"),
        (
            JobState("H", "job held, provisioning failed to start"),
            "on hold: its node cannot be made ready as it asks for",
        ),
        (JobState("H", "p"), "on hold: PBS does not take its password any more; ask your administrators"),
        (JobState("H", "depend"), "queued: it waits for another job"),
        (JobState("Q", "reservation"), "queued: its reservation has not begun"),
        (
            JobState("Q", "Not Running: Job would interfere with a confirmed reservation"),
            "queued: its nodes are reserved before it would end",
        ),
        (JobState("Q", "Not Running: Job would break strict sorted order"), "queued: other jobs come first"),
        (JobState("F", "cores"), "the job used more cores than it had asked for"),
        (JobState("F", "hook"), "a rule of the site ended the job"),
        (JobState("F", "something new"), "the job is over"),
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
    assert phrase(job) == said


def test_an_estimate_is_told() -> None:
    said = phrase(JobState("Q", "Not Running: Not enough free nodes available", TOMORROW))

    assert said == time.strftime("queued: waiting for free nodes, starts about %d %b %H:%M", time.localtime(TOMORROW))


@pytest.mark.parametrize(
    ("job", "told"),
    [
        (JobState("Q", "", TOMORROW), JobReport("queued", "", TOMORROW)),
        (JobState("H", "u"), JobReport("held", "Release it with qrls and its number.")),
        (JobState("H", "n"), JobReport("held", "On hold.")),
        (JobState("H", "depend"), JobReport("queued", "It waits for another job.")),
        (
            JobState("F", "cpu-time"),
            JobReport("ended", "The job used more processor time than it may.", cause="time-limit"),
        ),
        (JobState("R", "Job run at"), JobReport("running")),
        (JobState("S"), JobReport("running", "The job is suspended.")),
        (JobState("F", "cancelled"), JobReport("ended", "The job was cancelled.", cause="cancelled")),
        (
            JobState("C", "out-of-memory"),
            JobReport("ended", phrase(JobState("C", "out-of-memory")).capitalize() + ".", cause="out-of-memory"),
        ),
        (GONE, JobReport("ended", "The job is over and no longer listed.")),
    ],
)
def test_the_registry_is_told_in_sentences(job: JobState, told: JobReport) -> None:
    assert report(job) == told


def test_what_is_over() -> None:
    assert [state for state in "QWTHRBESUMFCX" if over(state)] == ["F", "C", "X"]


@pytest.mark.parametrize("comment", COMMENTS)
def test_every_comment_of_pbs_has_plain_words(comment: str) -> None:
    job = JobState("H" if "held" in comment.lower() else "Q", comment)
    said, told = phrase(job), report(job)
    assert "scheduler says" not in said
    # Nothing is said twice.
    assert said.count("on hold") <= 1
    assert told.reason, comment


def test_a_job_that_can_never_run_is_told_why() -> None:
    said = phrase(JobState("Q", "Can Never Run: Insufficient amount of resource: ncpus (R: 640 A: 24 T: 24)"))
    assert (
        said == "queued: it can never run here; cancel it (Insufficient amount of resource: ncpus (R: 640 A: 24 T: 24))"
    )
