from __future__ import annotations

import time

import pytest

from lightship_cluster.schedulers.base import GONE, JobReport, JobState
from lightship_cluster.schedulers.slurm_phrases import phrase, report

TOMORROW = int(time.time()) + 86400


@pytest.mark.parametrize(
    ("job", "said"),
    [
        (JobState("PENDING"), "queued"),
        (JobState("PENDING", "Priority"), "queued: other jobs come first"),
        (JobState("PENDING", "Resources"), "queued: waiting for free nodes"),
        (JobState("PENDING", "QOSMaxJobsPerUserLimit"), "queued: you have as many jobs as you may"),
        (JobState("PENDING", "QOSMaxCpuPerUserLimit"), "queued: you use as much as one user may"),
        (JobState("PENDING", "QOSGrpNodeLimit"), "queued: a limit of the quality of service is reached"),
        (JobState("PENDING", "AssocGrpCpuLimit"), "queued: a limit of your account is reached"),
        (JobState("PENDING", "AssocGrpCPUMinutesLimit"), "queued: not enough compute time is left in your project"),
        (JobState("PENDING", "(ReqNodeNotAvail, UnavailableNodes:node1)"), "down or reserved"),
        (JobState("PENDING", "DependencyNeverSatisfied"), "did not end as it should; cancel it"),
        (JobState("PENDING", "PartitionTimeLimit"), "shorter -t"),
        (JobState("PENDING", "Unheard_Of"), "queued: the scheduler says Unheard_Of"),
        (JobState("RUNNING", "None"), "the job has begun"),
        (JobState("OUT_OF_MEMORY", "OutOfMemory"), "the job used more memory than it had asked for"),
        (JobState("STAGE_OUT"), "its files are being put away"),
        (JobState("REQUEUE_HOLD"), "on hold"),
        (
            JobState("RESV_DEL_HOLD", "Reservation_R12_was_deleted"),
            "on hold: its reservation is no longer there; cancel it",
        ),
        (JobState("BEAMING_UP"), "the scheduler says BEAMING_UP"),
    ],
)
def test_states_in_plain_words(job: JobState, said: str) -> None:
    assert phrase(job).endswith(said)


# All of Slurm 24.11's own, read from its library.
REASONS = """
Priority Dependency Resources PartitionNodeLimit PartitionTimeLimit PartitionDown PartitionInactive JobHeldAdmin
BeginTime Licenses AssociationJobLimit AssociationResourceLimit AssociationTimeLimit Reservation ReqNodeNotAvail
JobHeldUser FrontEndDown SchedDefer NodeDown BadConstraints SystemFailure NonZeroExitCode RaisedSignal InvalidAccount
InvalidQOS QOSUsageThreshold QOSJobLimit QOSResourceLimit QOSTimeLimit Cleaning QOSNotAllowed AccountNotAllowed
DependencyNeverSatisfied QOSGrpCpuLimit QOSGrpCPUMinutesLimit QOSGrpCPURunMinutesLimit QOSGrpJobsLimit QOSGrpMemLimit
QOSGrpNodeLimit QOSGrpSubmitJobsLimit QOSGrpWallLimit QOSMaxCpuPerJobLimit QOSMaxCpuMinutesPerJobLimit
QOSMaxNodePerJobLimit QOSMaxWallDurationPerJobLimit QOSMaxCpuPerUserLimit QOSMaxJobsPerUserLimit
QOSMaxNodePerUserLimit QOSMaxSubmitJobPerUserLimit QOSMinCpuNotSatisfied AssocGrpCpuLimit AssocGrpCPUMinutesLimit
AssocGrpCPURunMinutesLimit AssocGrpJobsLimit AssocGrpMemLimit AssocGrpNodeLimit AssocGrpSubmitJobsLimit
AssocGrpWallLimit AssocMaxJobsLimit AssocMaxCpuPerJobLimit AssocMaxCpuMinutesPerJobLimit AssocMaxNodePerJobLimit
AssocMaxWallDurationPerJobLimit AssocMaxSubmitJobLimit JobHoldMaxRequeue JobArrayTaskLimit BurstBufferResources
BurstBufferStageIn BurstBufferOperation AssocGrpGRES AssocGrpGRESMinutes AssocGrpGRESRunMinutes AssocMaxGRESPerJob
AssocMaxGRESPerNode AssocMaxGRESMinutesPerJob QOSGrpGRES QOSGrpGRESMinutes QOSMaxGRESPerJob QOSMaxGRESPerUser
QOSMinGRES QOSMinMemory QOSMinNode MaxCpuPerAccount MaxGRESPerAccount MaxJobsPerAccount MaxSubmitJobsPerAccount
PartitionConfig AccountingPolicy FedJobLock OutOfMemory MaxMemPerLimit ReservationDeleted ReservationInvalid
MaxCpuRunMinsPerAccount MaxGRESRunMinsPerUser MaxPoweredUpNodes Prolog
"""


@pytest.mark.parametrize("reason", REASONS.split())
def test_every_reason_of_slurm_has_plain_words(reason: str) -> None:
    assert "the scheduler says" not in phrase(JobState("PENDING", reason))


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        ("QOSMaxWallDurationPerJobLimit", "shorter -t"),
        ("AssocMaxWallDurationPerJobLimit", "shorter -t"),
        ("QOSMaxGRESPerJob", "more than one job may have; cancel it and ask for less"),
        ("AssocMaxSubmitJobLimit", "you have as many jobs as you may"),
        ("QOSGrpWallLimit", "not enough compute time is left"),
        ("MaxCpuRunMinsPerAccount", "as may be held at once"),
        ("MaxGRESPerAccount", "a limit of your account is reached"),
        ("BadConstraints", "no node has what it asks for"),
    ],
)
def test_a_job_that_can_never_run_is_told_apart_from_one_that_waits(reason: str, said: str) -> None:
    assert said in phrase(JobState("PENDING", reason))


def test_an_estimated_start_has_its_day_unless_it_is_today() -> None:
    soon = int(time.time()) + 2
    assert phrase(JobState("PENDING", "Priority", TOMORROW)) == time.strftime(
        "queued: other jobs come first, starts about %d %b %H:%M", time.localtime(TOMORROW)
    )
    # The day may change meanwhile.
    assert phrase(JobState("PENDING", "", soon)).endswith(time.strftime("%H:%M", time.localtime(soon)))


@pytest.mark.parametrize("start", [0, 1577836800])
def test_an_estimate_that_is_none_or_past_is_not_shown(start: int) -> None:
    assert phrase(JobState("PENDING", "Resources", start)) == "queued: waiting for free nodes"


@pytest.mark.parametrize(
    ("job", "told"),
    [
        (
            JobState("PENDING", "Priority", TOMORROW),
            JobReport("queued", "Other jobs come first.", TOMORROW),
        ),
        (JobState("PENDING", "None"), JobReport("queued")),
        (JobState("PENDING", "Unheard_Of"), JobReport("queued", "The scheduler says Unheard_Of.")),
        (JobState("PENDING", "JobHeldAdmin"), JobReport("held", "An administrator holds it.")),
        (
            JobState("PENDING", "launch failed requeued held"),
            JobReport("held", "It could not be started and is on hold."),
        ),
        (JobState("RESV_DEL_HOLD"), JobReport("held")),
        (JobState("SPECIAL_EXIT"), JobReport("held")),
        (JobState("BEAMING_UP"), JobReport("queued", "The scheduler says BEAMING_UP.")),
        (
            JobState("REVOKED"),
            JobReport(
                "running",
                "The job runs on another cluster of the federation, which cannot be followed from here.",
            ),
        ),
        (JobState("CONFIGURING"), JobReport("running", "Its node is being made ready.")),
        (JobState("RUNNING", "None"), JobReport("running")),
        (JobState("SUSPENDED"), JobReport("running", "The job is suspended.")),
        (JobState("CANCELLED"), JobReport("ended", "The job was cancelled.", cause="cancelled")),
        (JobState("TIMEOUT"), JobReport("ended", "The job's time is over.", cause="time-limit")),
        (JobState("NODE_FAIL"), JobReport("ended", "The compute node failed.", cause="node-failed")),
        (GONE, JobReport("ended", "The job is over and Slurm no longer lists it.")),
    ],
)
def test_the_registry_is_told_in_sentences(job: JobState, told: JobReport) -> None:
    assert report(job) == told
