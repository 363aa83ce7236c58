"""Slurm's outputs here are recorded ones (24.11), printed by fake commands; the test bed runs the real ones."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lightship_cluster.core.errors import ExitStatus, LightshipError
from lightship_cluster.schedulers import base
from lightship_cluster.schedulers.base import GONE, NOBODYS, JobRequest, JobState, NoAnswerError, Resources
from lightship_cluster.schedulers.slurm import Slurm
from support.hostile_texts import hostile_texts
from unit.lightship_cluster.fake_programs import program
from unit.lightship_cluster.schedulers.conftest import Command

SINFO = "compute*|up|1-00:00:00|16|16000|(null)\ndebug|up|1:00:00|16|16000|(null)\n"


def request(**changes: Any) -> JobRequest:
    paths = {"script": Path("/b/notebook.sh"), "folder": Path("/home/a b"), "log": Path("/home/100%j/job.log")}
    return JobRequest(arguments=("/link", "/bin/register"), resources=Resources(60, **changes), **paths)


def test_a_job_is_submitted_by_arguments_only(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    noted = command("sbatch", "4711;demo\n")

    assert Slurm().submit(request(partition="debug", account="abc123")).job_id == "4711"
    arguments, environment = json.loads(noted.read_text())
    assert arguments == [
        "--parsable",
        "--chdir=/home/a b",
        "--output=/home/100%%j/job.log",
        "--error=/home/100%%j/job.log",
        "--time=60",
        "--partition=debug",
        "--account=abc123",
        "--export=ALL",
        "--no-requeue",
        "--",
        "/b/notebook.sh",
        "/link",
        "/bin/register",
    ]
    # The job inherits it: nothing of ours may be added.
    assert environment["LC_ALL"] == "C.UTF-8"


def test_every_wish_becomes_an_option_of_sbatch(command: Command) -> None:
    noted = command("sbatch", "4711\n")
    asked = {"cores": 8, "memory": 16384, "gpus": "a100:2", "nodes": 2, "qos": "long", "reservation": "course"}
    Slurm().submit(request(**asked, constraint="ssd&ib", extra=("--exclusive", "--comment=a b")))

    arguments = json.loads(noted.read_text())[0]
    told = ["--cpus-per-task=8", "--mem=16384M", "--gres=gpu:a100:2", "--nodes=2", "--ntasks=2", "--qos=long"]
    more = ["--reservation=course", "--constraint=ssd&ib", "--export=ALL"]
    assert arguments[5:-5] == [*told, *more, "--exclusive", "--comment=a b"]


def test_what_the_script_says_of_stderr_does_not_hide_it_and_the_users_own_option_counts(
    command: Command, tmp_path: Path
) -> None:
    script = tmp_path / "own.sh"
    script.write_text("#!/bin/bash\n#SBATCH --error=%x.err\n")
    noted = command("sbatch", "4711\n")
    Slurm().submit(replace(request(extra=("-e", "mine.err")), script=script))

    # The last counts, and what is on the command line counts more than the script and SBATCH_ERROR.
    arguments = json.loads(noted.read_text())[0]
    assert arguments.index("--error=/home/100%%j/job.log") < arguments.index("-e")


@pytest.mark.parametrize(
    ("line", "extra", "tasks"),
    [
        ("--ntasks=1", (), ["--ntasks=4"]),
        ("--ntasks-per-node=8", (), ["--ntasks=32"]),
        ("--ntasks=1", ("--ntasks-per-node", "8"), ["--ntasks=32"]),
        ("--ntasks=64", (), []),
        ("--ntasks=1", ("-n", "64"), []),
    ],
)
def test_several_nodes_get_a_task_each_or_as_many_as_the_user_says(
    command: Command, tmp_path: Path, line: str, extra: tuple[str, ...], tasks: list[str]
) -> None:
    script = tmp_path / "own.sh"
    script.write_text(f"#!/bin/bash\n#SBATCH --nodes=1\n#SBATCH {line}\n")
    noted = command("sbatch", "4711\n")
    Slurm().submit(replace(request(nodes=4, extra=extra), script=script))

    assert [word for word in json.loads(noted.read_text())[0] if word.startswith("--ntasks=")] == tasks


@pytest.mark.parametrize(
    ("line", "extra", "told"),
    [
        ("", (), ["--export=ALL"]),
        ("--export=NONE", (), []),
        ("", ("--export=PATH,HOME",), ["--export=PATH,HOME"]),
    ],
)
def test_the_environment_goes_with_the_job_unless_the_user_says_otherwise(
    command: Command, tmp_path: Path, line: str, extra: tuple[str, ...], told: list[str]
) -> None:
    script = tmp_path / "own.sh"
    script.write_text(f"#!/bin/bash\n#SBATCH {line}\n")
    noted = command("sbatch", "4711\n")
    Slurm().submit(replace(request(extra=extra), script=script))

    assert [word for word in json.loads(noted.read_text())[0] if word.startswith("--export")] == told


def test_what_a_site_prints_before_the_number_is_no_refusal(command: Command) -> None:
    command("sbatch", "Welcome to demo.\nYou have 3 jobs.\n4711;demo\n")
    assert Slurm().submit(request()).job_id == "4711"


def test_a_job_that_was_taken_under_an_unreadable_number_is_not_called_refused(command: Command) -> None:
    command("sbatch", "hello\n")
    with pytest.raises(LightshipError, match=r"took the job, but .* printed: 'hello'\. .* squeue --me") as told:
        Slurm().submit(request())
    assert told.value.status is ExitStatus.SUBMIT


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        (("--array=0-3",), "several times. Leave out -a or --array."),
        (("-a", "0-3"), "several times. Leave out -a or --array."),
        (("-a0-3",), "several times."),
        (("-M", "other"), "log in to that cluster"),
        (("--arr=0-3",), "several times. Leave out -a or --array."),
        (("-HQa0-3",), "several times. Leave out -a or --array."),
        (("--wait",), "start-jupyter itself waits for the job. Leave out -W or --wait."),
        (("-QW",), "Leave out -W or --wait."),
        (("--test",), "no job. Leave out --test-only."),
        (("--req",), "could not use its link again. Leave out --requeue."),
        (("--clusters=other",), "log in to that cluster to start it there. Leave out -M or --clusters."),
    ],
)
def test_what_makes_several_jobs_or_one_elsewhere_is_refused_before_anything_is_made(
    command: Command, extra: tuple[str, ...], words: str
) -> None:
    command("sinfo", SINFO)
    with pytest.raises(LightshipError) as refused:
        Slurm().check(Resources(30, extra=extra))
    assert words in refused.value.sentence
    assert refused.value.status is ExitStatus.USAGE


@pytest.mark.parametrize("line", ["#SBATCH --array=0-3", "#SBATCH --arr 0-3", "#PBS -t 0-3", "#PBS -J 0-3"])
def test_so_is_what_the_script_asks_for(command: Command, tmp_path: Path, line: str) -> None:
    command("sinfo", SINFO)
    script = tmp_path / "own.sh"
    script.write_text(f"#!/bin/bash\n{line}\n")
    with pytest.raises(LightshipError, match="start the same notebook several times"):
        Slurm().check(Resources(30), script)


def test_a_partition_among_the_options_handed_on_is_the_one_that_is_checked(command: Command) -> None:
    command("sinfo", SINFO)
    Slurm().check(Resources(60, "compute", extra=("-p", "debug")))
    with pytest.raises(LightshipError, match="debug gives 1 h 00 min at most"):
        Slurm().check(Resources(61, "compute", extra=("--partition=debug",)))


def test_slurms_own_defaults_are_left_to_it(command: Command) -> None:
    noted = command("sbatch", "4711\n")
    Slurm().submit(request())

    assert not any("partition" in word or "account" in word for word in json.loads(noted.read_text())[0])


def test_a_refused_job_keeps_slurms_words(command: Command) -> None:
    command("sbatch", "", "sbatch: error: Batch job submission failed: Invalid account\n", 1)
    with pytest.raises(LightshipError, match="Batch job submission failed: Invalid") as refused:
        Slurm().submit(request())

    assert refused.value.status is ExitStatus.SUBMIT
    assert "sbatch: error:" not in refused.value.sentence


def test_a_sites_own_reason_before_slurms_is_kept(command: Command) -> None:
    said = "sbatch: error: Name your project with -A.\nsbatch: error: Batch job submission failed: Unspecified error\n"
    command("sbatch", "", said, 1)
    with pytest.raises(LightshipError) as refused:
        Slurm().submit(request())
    lines = ["Name your project with -A.", "Batch job submission failed: Unspecified error"]
    assert refused.value.sentence.splitlines() == ["Slurm did not take the job:", *(f"    {line}" for line in lines)]

    command("sbatch", "", "", 1)
    with pytest.raises(LightshipError, match=r"did not take the job: it gave no reason\.$"):
        Slurm().submit(request())

    command("sbatch", "", "*\n" * 50 + said, 1)
    with pytest.raises(LightshipError, match="Name your project") as refused:
        Slurm().submit(request())
    assert len(refused.value.sentence.splitlines()) == 1 + base.MOST_LINES


def test_what_slurm_says_of_a_job_that_it_takes_is_handed_on(command: Command) -> None:
    command("sbatch", "4711\n", "Loading...\nsbatch: Your project has 3 hours left.\nsbatch: error: Well.\nsbatch: \n")
    assert Slurm().submit(request()).remarks == ("Your project has 3 hours left.", "Well.")


def test_a_job_that_may_be_queued_all_the_same_is_said_to_be(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command("sbatch", "", "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation\n", 1)
    with pytest.raises(LightshipError, match=r"send/recv operation\. The job may be queued .* squeue --me"):
        Slurm().submit(request())

    monkeypatch.setattr(base, "TIMEOUT_SECONDS", 0.2)
    program(tmp_path / "sbatch", "#!/bin/sh\nexec sleep 20\n")
    with pytest.raises(NoAnswerError, match=r"sbatch did not answer .* The job may be queued .* squeue --me"):
        Slurm().submit(request())


@pytest.mark.parametrize("partition", ["", "debug", "compute,debug"])
def test_a_known_partition_passes(command: Command, partition: str) -> None:
    command("sinfo", SINFO)

    Slurm().check(Resources(60, partition))


def test_an_unknown_partition_is_refused_with_the_known_ones(command: Command) -> None:
    command("sinfo", SINFO)
    with pytest.raises(LightshipError, match=r"'gpu'.*compute \(default\), debug.* -p") as refused:
        Slurm().check(Resources(60, "debug,gpu"))

    assert refused.value.status is ExitStatus.PARTITION


def test_a_silent_slurm_is_not_a_wrong_partition(command: Command) -> None:
    command("sinfo", "", "slurm_load_partitions: Unable to contact slurm controller\n", 1)
    with pytest.raises(LightshipError, match="Unable to contact") as refused:
        Slurm().check(Resources(60, "debug"))

    assert refused.value.status is ExitStatus.SCHEDULER


def test_a_number_that_squeue_cannot_read_is_not_asked_about(command: Command) -> None:
    noted = command("squeue", "18|RUNNING|2002|1795250000|node1|None\n")

    assert set(Slurm().job_states(["0", "18", "4000000000"])) == {"18"}
    assert "--jobs=18" in json.loads(noted.read_text())[0]


def test_one_bad_number_among_several_makes_no_job_disappear(command: Command) -> None:
    command("squeue", "", "squeue: error: Invalid job id: 0\n", 1)
    with pytest.raises(LightshipError, match="squeue failed"):
        Slurm().job_states(["17", "18"])


def test_one_question_serves_all_jobs(command: Command) -> None:
    rows = (
        "17|PENDING|2001|1795254421||Priority\n18|RUNNING|2002|1795250000|node1|None\nnoise\n20|PENDING|1|N/A||None\n"
    )
    noted = command("squeue", rows)

    assert Slurm().job_states(["17", "18", "19", "x; y", "20_1"]) == {
        "17": JobState("PENDING", "Priority", 1795254421, "", 2001),
        "18": JobState("RUNNING", "", 1795250000, "node1", 2002),
        "19": GONE,
    }
    arguments, environment = json.loads(noted.read_text())
    assert "--jobs=17,18,19" in arguments
    # Hidden partitions too, or their jobs would seem to be gone; and no local time, for the user's may be another.
    assert "--all" in arguments
    assert environment["SLURM_TIME_FORMAT"] == "%s"


def test_nothing_that_users_write_is_asked_for(command: Command) -> None:
    noted = command("squeue", "17|PENDING|2001|||None\n")
    Slurm().job_states(["17"])
    # Number, state, owner's number, start, nodes and the scheduler's own reason: no name, comment or folder.
    assert "--format=%i|%T|%U|%S|%N|%r" in json.loads(noted.read_text())[0]

    noted = command("sacct", "17|FAILED|2001\n")
    Slurm().accounted(["17"])
    assert "--format=JobID,State,UID" in json.loads(noted.read_text())[0]


@pytest.mark.parametrize("text", hostile_texts("17", "alice").values())
def test_what_users_write_would_be_no_other_job(command: Command, text: str) -> None:
    # Where it would come if a name were asked for after all.
    command(
        "squeue",
        f"17|RUNNING|2001||node1|None\n18|PENDING|2002|||{text.replace(chr(0xDCFF), '?')}\n".encode(
            "utf-8", "replace"
        ).decode(),
    )
    states = Slurm().job_states(["17", "18"])
    assert states["17"].state == "RUNNING"
    assert states["17"].uid == 2001
    assert states["18"].uid == 2002


@pytest.mark.parametrize("uid", ["", "N/A", "-1", "alice"])
def test_a_job_whose_owner_cannot_be_read_is_nobodys(command: Command, uid: str) -> None:
    command("squeue", f"17|RUNNING|{uid}||node1|None\n")
    assert Slurm().job_states(["17"])["17"].uid == NOBODYS
    command("sacct", f"17|FAILED|{uid}\n")
    assert Slurm().accounted(["17"])["17"].uid == NOBODYS


@pytest.mark.parametrize(
    ("rows", "state"),
    [
        (["17_0|RUNNING"], "RUNNING"),
        (["17_[0-3]|PENDING"], "PENDING"),
        (["17+0|RUNNING", "17+1|PENDING"], "RUNNING"),
        (["17_0|COMPLETED", "17_1|RUNNING", "17_2|FAILED"], "RUNNING"),
        (["17_0|COMPLETED", "17_1|FAILED"], "FAILED"),
        (["17|REVOKED"], "REVOKED"),
        (["17|REVOKED", "17|RUNNING"], "RUNNING"),
        (["17|RUNNING", "17|REVOKED"], "RUNNING"),
    ],
)
def test_the_parts_of_a_job_are_the_job(command: Command, rows: list[str], state: str) -> None:
    command("squeue", "".join(f"{row}|2001|||None\n" for row in rows))

    assert Slurm().job_states(["17"]) == {"17": JobState(state, uid=2001)}


def test_a_job_that_slurm_forgot_is_gone(command: Command) -> None:
    command("squeue", "", "slurm_load_jobs error: Invalid job id specified\n", 1)
    assert Slurm().job_states(["17"]) == {"17": GONE}
    assert Slurm().job_states([]) == {}


def test_a_silent_slurm_does_not_make_jobs_disappear(command: Command) -> None:
    command("squeue", "", "slurm_load_jobs error: Unable to contact slurm controller\n", 1)
    with pytest.raises(LightshipError, match="Unable to contact"):
        Slurm().job_states(["17"])


def test_the_accounting_knows_what_squeue_forgot(command: Command) -> None:
    noted = command("sacct", "17|CANCELLED by 2001|2001\n18|OUT_OF_MEMORY|2002\n99|FAILED|1\n19|\nnoise\n")

    assert Slurm().accounted(["17", "18", "19", "x y"]) == {
        "17": JobState("CANCELLED", uid=2001),
        "18": JobState("OUT_OF_MEMORY", uid=2002),
    }
    assert "--jobs=17,18,19" in json.loads(noted.read_text())[0]


def test_a_site_without_accounting_is_no_trouble(command: Command) -> None:
    assert Slurm().accounted(["17"]) == {}  # no such command
    command("sacct", "", "Slurm accounting storage is disabled\n", 1)
    assert Slurm().accounted(["17"]) == {}
    assert Slurm().accounted([]) == {}


def test_a_job_is_cancelled_by_its_number(command: Command) -> None:
    noted = command("scancel")
    Slurm().cancel("17")
    assert json.loads(noted.read_text())[0] == ["--", "17"]

    command("scancel", "", "scancel: error: Kill job error on job id 17: Access denied\n", 1)
    with pytest.raises(LightshipError, match="Access denied"):
        Slurm().cancel("17")


@pytest.mark.parametrize("why", ["Invalid job id specified", "Job/step already completing or completed"])
def test_a_job_that_is_over_needs_no_cancelling(command: Command, why: str) -> None:
    command("scancel", "", f"scancel: error: Kill job error on job id 17: {why}\n", 1)
    Slurm().cancel("17")


def test_what_is_over_and_how_to_stop() -> None:
    over = {
        state
        for state in ("PENDING", "RUNNING", "COMPLETING", "REVOKED", "FAILED", "TIMEOUT", "GONE")
        if Slurm().over(state)
    }

    assert over == {"FAILED", "TIMEOUT", "GONE"}
    assert Slurm().stop_command("17") == "scancel 17"


def test_a_job_hears_nothing_of_the_allocation_around(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    noted = command("sbatch", "4711\n")
    around = {"SLURM_JOB_ID": "9", "SLURM_MEM_PER_CPU": "300", "SLURM_CPU_BIND": "quiet,mask_cpu:0x1", "PMI_FD": "7"}
    for name, value in {**around, "SLURM_CONF": "", "SBATCH_WAIT": "1", "SBATCH_ACCOUNT": "abc123"}.items():
        monkeypatch.setenv(name, value)
    Slurm().submit(request())

    environment = json.loads(noted.read_text())[1]
    assert not {*around, "SBATCH_WAIT"} & set(environment)
    assert (environment["SLURM_CONF"], environment["SBATCH_ACCOUNT"]) == ("", "abc123")


def test_a_deleted_folder_is_none_for_sbatch(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    noted = command("sbatch", "4711\n")
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    Slurm().submit(replace(request(), folder=tmp_path))

    assert f"--chdir={tmp_path}" in json.loads(noted.read_text())[0]
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("without", "refused"),
    [("echo ClusterName = one", True), ("echo ClusterName = two", False), ("exit 1", False)],
)
def test_another_clusters_settings_are_refused_unless_there_are_no_others(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, without: str, *, refused: bool
) -> None:
    command("sinfo", "debug*|up|infinite|16|64000|(null)\n")
    program(tmp_path / "scontrol", f'#!/bin/sh\ntest "$SLURM_CONF" && exec echo "ClusterName = two"\n{without}\n')
    monkeypatch.setenv("SLURM_CONF", "/two/slurm.conf")
    if not refused:
        assert Slurm().check(Resources(60)) == ""
        return
    with pytest.raises(LightshipError, match=r"leads to two, and .* one of one: .* Type: unset SLURM_CONF"):
        Slurm().check(Resources(60))
