"""Torque's outputs are written by hand from its manual; those of the commands that Slurm 24.11 ships were recorded."""

from __future__ import annotations

import json
import os
import pwd
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lightship_cluster.core.errors import ExitStatus, LightshipError
from lightship_cluster.schedulers import base
from lightship_cluster.schedulers.base import GONE, NOBODYS, JobRequest, JobState, NoAnswerError, Resources
from lightship_cluster.schedulers.torque import SlurmTorque, Torque
from unit.lightship_cluster.fake_programs import program
from unit.lightship_cluster.schedulers import recorded
from unit.lightship_cluster.schedulers.conftest import Command

ME = pwd.getpwuid(os.getuid())

# From the administrator's guide, 2.7 Job Exit Status.
LISTED = f"""\
Job Id: 179.host
    Job_Name = STDIN
    Job_Owner = {ME.pw_name}@host
    job_state = C
    queue = batchq
    server = host
    Checkpoint = u
    ctime = Fri Aug 29 14:55:55 2008
    exec_host = node1/0
    Resource_List.nodes = node1
    Variable_List = PBS_O_HOME=/home/user,PBS_O_LOGNAME=user,
\tPBS_O_PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:,PBS_O
\t_SHELL=/bin/bash
    sched_hint = Post job file processing error; job 179.host on host node1/0Ba
\td UID for job execution REJHOST=pala.cridomain
    etime = Fri Aug 29 14:55:55 2008
    exit_status = {{exit}}

Job Id: 180.host
    Job_Owner = {ME.pw_name}@host
    job_state = Q

"""


def request(tmp_path: Path, extra: tuple[str, ...] = (), **asked: Any) -> JobRequest:
    paths = {"script": Path("/b/torque/my notebook.sh"), "folder": tmp_path, "log": Path("/home/a b/100%j/job.log")}
    return JobRequest(arguments=("/link", "/bin/register"), resources=Resources(90, extra=extra, **asked), **paths)


def test_a_job_is_submitted_in_torques_syntax(command: Command, tmp_path: Path) -> None:
    noted = command("qsub", "4711.server\n")
    asked: dict[str, Any] = {
        "partition": "batch",
        "cores": 8,
        "memory": 4096,
        "nodes": 2,
        "gpus": "1",
        "constraint": "ib",
    }

    assert Torque().submit(request(tmp_path, **asked, qos="long", reservation="course.1")).job_id == "4711.server"
    arguments = json.loads(noted.read_text())[0]
    arguments.pop(arguments.index("-v") + 1)
    assert arguments == [
        *("-r", "n"),
        *("-j", "oe"),
        *("-o", "/home/a b/100%j/scheduler.log"),
        "-v",
        *("-q", "batch"),
        *("-W", "x=FLAGS:ADVRES:course.1"),
        # Its memory is that of all nodes together.
        *("-l", "walltime=01:30:00,nodes=2:ppn=8:gpus=1:ib,mem=8192mb,qos=long"),
        "/b/torque/my notebook.sh",
    ]


@pytest.mark.parametrize(
    ("status", "ending"), [("0", "ended"), ("-11", "time-limit"), ("271", "cancelled"), ("-1", "not-started")]
)
def test_jobs_are_read_with_how_they_ended(command: Command, status: str, ending: str) -> None:
    noted = command("qstat", LISTED.replace("{exit}", status))

    assert Torque().job_states(["179.host", "180"]) == {
        "179.host": JobState("C", ending, node="node1", uid=ME.pw_uid),
        "180": JobState("Q", uid=ME.pw_uid),
    }
    assert json.loads(noted.read_text())[0] == ["-f", "179", "180"]


# What Torque prints, for it has the same ancestor as OpenPBS, whose jobs of mallory's these are.
HOSTILE = recorded.jobs("hostile")


def test_no_job_is_another_for_what_mallory_wrote(command: Command, tmp_path: Path) -> None:
    command("qsub")
    recorded.qstat(tmp_path, "hostile", "hostile as text")
    states = Torque().job_states(HOSTILE.values())

    assert states.pop(HOSTILE["live"]) == JobState("H", "u", uid=ME.pw_uid)
    assert states.pop(HOSTILE["over"], GONE) == GONE, "the server says that it is over, whatever mallory's jobs say"
    assert {(job.state, job.uid) for job in states.values()} <= {("H", NOBODYS)}


def test_what_came_twice_is_asked_for_alone(tmp_path: Path, command: Command) -> None:
    command("qsub")
    noted = recorded.qstat(tmp_path, "hostile", "hostile as text")
    Torque().job_states(HOSTILE.values())
    alone = [call[1:] for call in recorded.calls(noted)[1:]]
    assert alone == [[HOSTILE["live"].partition(".")[0]]]


def test_a_job_that_torque_forgot_is_gone(command: Command) -> None:
    command("qstat", "", "qstat: Unknown Job Id Error 179.host\n", 153)

    assert Torque().job_states(["179.host"]) == {"179.host": GONE}
    assert Torque().accounted(["179.host"]) == {}


def test_a_users_own_resources_come_after_ours_in_one_list(command: Command, tmp_path: Path) -> None:
    noted = command("qsub", "17\n")
    SlurmTorque().submit(request(tmp_path, ("-l", "nodes=1:ppn=4:ssd", "-lother=1")))
    arguments = json.loads(noted.read_text())[0]
    assert [word for word in arguments if "walltime" in word] == ["walltime=01:30:00,nodes=1:ppn=4:ssd,other=1"]
    assert arguments.count("-l") == 1


def test_slurms_qsub_gets_every_word_quoted_for_its_shell(command: Command, tmp_path: Path) -> None:
    noted = command("qsub", "17\n")
    asked: dict[str, Any] = {
        "partition": "debug",
        "account": "a b",
        "cores": 2,
        "memory": 4096,
        "nodes": 2,
        "gpus": "a100:1",
    }

    assert (
        SlurmTorque().submit(request(tmp_path, **asked, qos="long", reservation="course", constraint="ib")).job_id
        == "17"
    )
    arguments, environment = json.loads(noted.read_text())
    assert arguments == [
        *("-r", "n"),
        *("-j", "oe"),
        *("-o", "'/home/a b/100%%j/job.log'"),
        *("-q", "debug"),
        *("-A", "'a b'"),
        *("-l", "walltime=01:30:00,nodes=2:ppn=2,mppnppn=2,mem=4096mb"),
        "-V",
        "'/b/torque/my notebook.sh'",
    ]
    told = {"SBATCH_QOS": "long", "SBATCH_RESERVATION": "course", "SBATCH_CONSTRAINT": "ib"}
    assert {**told, "SBATCH_GPUS_PER_NODE": "a100:1", "LIGHTSHIP_LINK": "/link"}.items() <= environment.items()
    assert SlurmTorque().stop_command("17") == "scancel 17"


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"nodes": 2}, "walltime=01:30:00,nodes=2:ppn=1,mppnppn=1"),
        ({"nodes": 1, "cores": 4}, "walltime=01:30:00,nodes=1:ppn=4"),
        ({}, "walltime=01:30:00"),
    ],
)
def test_several_nodes_of_slurms_get_a_task_each(
    command: Command, tmp_path: Path, asked: dict[str, Any], told: str
) -> None:
    noted = command("qsub", "17\n")
    SlurmTorque().submit(request(tmp_path, **asked))

    assert told in json.loads(noted.read_text())[0]


@pytest.mark.parametrize(
    ("line", "extra", "all_of_it"),
    [
        ("", (), True),
        ("", ("-v", "PATH"), False),
        ("#PBS -v PATH", (), False),
        ("#SBATCH --export=NONE", (), False),
    ],
)
def test_the_environment_goes_with_the_job_unless_the_user_says_otherwise(
    command: Command, tmp_path: Path, line: str, extra: tuple[str, ...], *, all_of_it: bool
) -> None:
    script = tmp_path / "own.sh"
    script.write_text(f"#!/bin/bash\n{line}\n")
    noted = command("qsub", "17\n")
    SlurmTorque().submit(replace(request(tmp_path, extra), script=script))

    assert ("-V" in json.loads(noted.read_text())[0]) is all_of_it


@pytest.mark.parametrize(
    ("line", "extra", "told"),
    [
        ("", ("-v", "OMP_NUM_THREADS=8"), "OMP_NUM_THREADS=8"),
        ("#PBS -v A=1,B", ("-vA=2",), "A=2,B"),
        # As PBS takes it, and as sbatch: its quotes are in the value unless they are around the whole.
        ("", ("-v", "A='x,y',LIGHTSHIP_LINK=/none,B"), "'A=x,y',B"),
        ("#SBATCH --export=NONE", ("-v", "A"), "A"),
    ],
)
def test_variables_that_the_user_names_go_beside_the_two_paths(
    command: Command, tmp_path: Path, line: str, extra: tuple[str, ...], told: str
) -> None:
    script = tmp_path / "own.sh"
    script.write_text(f"#!/bin/bash\n{line}\n")
    noted = command("qsub", "17\n")
    SlurmTorque().submit(replace(request(tmp_path, extra), script=script))

    arguments, environment = json.loads(noted.read_text())
    # Not by -v: Slurm's qsub would break quoted values, and paths with a blank.
    assert not [word for word in arguments if word[:2] in {"-v", "-V"}]
    assert environment["SBATCH_EXPORT"] == f"LIGHTSHIP_LINK,LIGHTSHIP_REGISTER,{told}"
    assert environment["LIGHTSHIP_LINK"] == "/link"


def test_the_whole_environment_beside_variables_of_the_users_own_stays_whole(command: Command, tmp_path: Path) -> None:
    noted = command("qsub", "17\n")
    SlurmTorque().submit(request(tmp_path, ("-V", "-v", "A=1", "-m", "a")))

    arguments, environment = json.loads(noted.read_text())
    assert arguments[-3:-1] == ["-m", "a"]
    assert "-V" not in arguments
    assert environment["SBATCH_EXPORT"] == "ALL,LIGHTSHIP_LINK,LIGHTSHIP_REGISTER,A=1"


def test_what_a_site_prints_before_the_number_is_no_refusal(command: Command, tmp_path: Path) -> None:
    command("qsub", "Welcome to demo.\n17\n")
    assert SlurmTorque().submit(request(tmp_path)).job_id == "17"

    command("qsub", "Welcome to demo.\n")
    with pytest.raises(LightshipError, match=r"took the job, but its number cannot be read .* squeue --me"):
        SlurmTorque().submit(request(tmp_path))


@pytest.mark.parametrize("flag", ["-J", "-t"])
def test_a_job_array_is_refused_before_anything_is_made(command: Command, flag: str) -> None:
    command("sinfo", "compute*|up|1-00:00:00|16|16000|(null)\n")
    with pytest.raises(LightshipError, match="start the same notebook several times"):
        SlurmTorque().check(Resources(30, extra=(flag, "0-3")))
    SlurmTorque().check(Resources(30, extra=("-M", "alice@example.org")))  # who gets mail, not where it runs


def test_the_queue_among_a_users_own_options_is_the_partition(command: Command) -> None:
    command("sinfo", "compute*|up|1-00:00:00|16|16000|(null)\ngpu|up|1:00:00|16|16000|gpu:2\n")
    SlurmTorque().check(Resources(30, gpus="1", extra=("-q", "gpu")))
    with pytest.raises(LightshipError, match="gpu gives 1 h 00 min at most"):
        SlurmTorque().check(Resources(90, extra=("-q", "gpu")))


def test_torque_takes_a_reservation_beside_a_queue(command: Command) -> None:
    command("qstat", "Queue: batch\n    enabled = True\n    started = True\n")
    Torque().check(Resources(30, "batch", reservation="course.1"))


def test_slurms_own_words_are_found_among_those_of_qsub(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = (
        "There was an error running the Slurm sbatch command.\nThe command was:\n'/usr/bin/sbatch -N1 x 2>&1'\n"
        "and the output was:\n'sbatch: error: invalid partition specified: nope\n"
        " sbatch: error: Batch job submission failed: Invalid partition name specified\n'\n"
    )
    command("qsub", said, "", 1)
    with pytest.raises(
        LightshipError, match=r"did not take the job:\s+invalid part.*: nope\s+Batch .*: Inv.*specified$"
    ) as refused:
        SlurmTorque().submit(request(tmp_path))
    assert refused.value.status is ExitStatus.SUBMIT

    command("qsub", "What?\n", "", 1)
    with pytest.raises(LightshipError, match=r"did not take the job: What\?"):
        SlurmTorque().submit(request(tmp_path))

    monkeypatch.setattr(base, "TIMEOUT_SECONDS", 0.2)
    program(tmp_path / "qsub", "#!/bin/sh\nexec sleep 20\n")
    with pytest.raises(NoAnswerError, match="squeue --me"):
        SlurmTorque().submit(request(tmp_path))
