"""Outputs written by hand from OpenPBS's manual pages; no PBS was at hand. Its known faults are those of its issues."""

from __future__ import annotations

import json
import os
import pwd
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lightship_cluster.errors import ExitStatus, LightshipError
from lightship_cluster.schedulers import base
from lightship_cluster.schedulers.base import GONE, JobRequest, JobState, NoAnswerError, Resources
from lightship_cluster.schedulers.pbs import Pbs
from lightship_cluster.schedulers.pbs_jobs import NOBODYS
from unit.lightship_cluster.schedulers.conftest import Command
from unit.lightship_cluster.world import program

ME = pwd.getpwuid(os.getuid())
START = 1795254421

QUEUES = """\
Queue: workq
    queue_type = Execution
    total_jobs = 2
    state_count = Transit:0 Queued:1 Held:0 Waiting:0 Running:1 Exiting:0 Begun:0
    resources_max.walltime = 24:00:00
    resources_max.ncpus = 64
    resources_max.mem = 256gb
    enabled = True
    started = True

Queue: long
    queue_type = Execution
    enabled = True
    started = True

Queue: closed
    queue_type = Execution
    enabled = False
    started = True

Queue: stopped
    queue_type = Execution
    enabled = True
    started = False

"""


def job(state: str, **attributes: Any) -> dict[str, Any]:
    return {"Job_Name": "jupyterlab", "Job_Owner": f"{ME.pw_name}@login1.example.org", "job_state": state, **attributes}


def listing(**jobs: dict[str, Any]) -> str:
    named = {f"{name[1:]}.pbs1": attributes for name, attributes in jobs.items()}
    return json.dumps({"timestamp": START, "pbs_version": "22.05.11", "pbs_server": "pbs1", "Jobs": named})


def request(tmp_path: Path, extra: tuple[str, ...] = (), **wishes: Any) -> JobRequest:
    paths = {"script": Path("/b/pbs/notebook.sh"), "folder": tmp_path, "log": Path("/home/a b/job.log")}
    return JobRequest(arguments=("/link", "/bin/register"), resources=Resources(90, extra=extra, **wishes), **paths)


def test_a_job_is_submitted_with_names_of_variables_alone(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIRTUAL_ENV", "/home/alice/jupyter")
    monkeypatch.setenv("CONDA_PREFIX", "/home/a,b")
    monkeypatch.setenv("API_KEY", "secret")
    noted = command("qsub", "4711.pbs1.example.org\n")

    assert Pbs().submit(request(tmp_path, partition="workq", account="abc123")).job_id == "4711.pbs1.example.org"
    arguments, environment = json.loads(noted.read_text())
    names = arguments.pop(arguments.index("-v") + 1).split(",")
    assert arguments == [
        "-f",
        *("-r", "n"),
        *("-j", "oe"),
        *("-o", "/home/a b/scheduler.log"),
        "-v",
        *("-q", "workq"),
        *("-A", "abc123"),
        *("-l", "walltime=01:30:00"),
        "/b/pbs/notebook.sh",
    ]
    assert {"LIGHTSHIP_LINK", "LIGHTSHIP_REGISTER", "VIRTUAL_ENV"} <= set(names)
    # A comma would end the value, and a secret would be shown by qstat to everybody.
    assert not {"CONDA_PREFIX", "API_KEY", "PATH"} & set(names)
    assert environment["LIGHTSHIP_LINK"] == "/link"
    assert environment["LIGHTSHIP_REGISTER"] == "/bin/register"
    assert environment["PWD"] == str(tmp_path)


def test_a_users_own_variables_do_not_take_the_place_of_the_two_paths(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIRTUAL_ENV", "/home/alice/jupyter")
    monkeypatch.setenv("LANG", "C.UTF-8")
    script = tmp_path / "own.sh"
    script.write_text("#!/bin/bash\n#PBS -v X=1,LANG=C\n#PBS -N mine\n")
    noted = command("qsub", "4711.pbs1\n")
    extra = ("-v", "OMP_NUM_THREADS=8,A='x,y'", "-l", "place=excl", "-vX=2")
    Pbs().submit(replace(request(tmp_path, extra), script=script))

    arguments = json.loads(noted.read_text())[0]
    assert [word for word in arguments if word.startswith("-v")] == ["-v"]
    named = arguments[arguments.index("-v") + 1]
    assert named.startswith("LIGHTSHIP_LINK,LIGHTSHIP_REGISTER,")
    assert named.endswith(",X=2,LANG=C,OMP_NUM_THREADS=8,A='x,y'")
    assert named.split(",").count("VIRTUAL_ENV") == 1
    assert "LANG" not in named.split(",")
    assert arguments[-3:] == ["-l", "place=excl", str(script)]


@pytest.mark.parametrize(
    ("wishes", "told"),
    [
        ({"cores": 8, "memory": 16384, "gpus": "2"}, ["-l", "select=1:ncpus=8:mem=16384mb:ngpus=2"]),
        ({"nodes": 2}, ["-l", "select=2"]),
        ({"nodes": 2, "cores": 4, "constraint": "switch=ib"}, ["-l", "select=2:ncpus=4:switch=ib"]),
        ({"reservation": "R123"}, ["-q", "R123"]),
        ({"extra": ("-l", "place=excl")}, ["-l", "place=excl"]),
    ],
)
def test_wishes_become_a_select_statement(
    command: Command, tmp_path: Path, wishes: dict[str, Any], told: list[str]
) -> None:
    noted = command("qsub", "4711.pbs1\n")
    Pbs().submit(request(tmp_path, **wishes))

    arguments = json.loads(noted.read_text())[0]
    assert " ".join(told) in " ".join(arguments)


@pytest.mark.parametrize(("wishes", "what"), [({"gpus": "a100:2"}, "kind of GPU"), ({"qos": "long"}, "quality of")])
def test_what_pbs_has_no_word_for_is_said(tmp_path: Path, wishes: dict[str, Any], what: str) -> None:
    with pytest.raises(LightshipError, match=f"PBS knows no {what}.* after --"):
        Pbs().submit(request(tmp_path, **wishes))


def test_a_path_that_cannot_be_handed_on_is_refused(tmp_path: Path) -> None:
    paths = {"script": Path("/b/notebook.sh"), "folder": tmp_path, "log": Path("/x/job.log")}
    with pytest.raises(LightshipError, match="comma"):
        Pbs().submit(JobRequest(arguments=("/home/a,b", "/bin/register"), resources=Resources(60), **paths))


def test_a_refused_job_keeps_the_schedulers_words(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command("qsub", "", "qsub: Job violates queue and/or server resource limits\n", 188)
    with pytest.raises(LightshipError, match="PBS did not take the job: Job violates queue") as refused:
        Pbs().submit(request(tmp_path))
    assert refused.value.status is ExitStatus.SUBMIT

    monkeypatch.setattr(base, "TIMEOUT_SECONDS", 0.2)
    program(tmp_path / "qsub", "#!/bin/sh\nexec sleep 20\n")
    with pytest.raises(NoAnswerError, match=r"may be queued .* qdel"):
        Pbs().submit(request(tmp_path))


def test_what_another_jobs_variable_says_of_a_job_is_not_believed(command: Command) -> None:
    # As Torque prints it, with the variable's line feeds: job 9 was started by somebody who wants to end job 1.
    forged = "Job Id: 1.x\n    Job_Owner = alice@h\n    job_state = C\n    exit_status = 271\n"
    real = f"Job Id: 1.pbs1\n    Job_Owner = {ME.pw_name}@h\n    job_state = Q\n"
    command("qstat", f"{real}Job Id: 9.pbs1\n    job_state = R\n    Variable_List = A=\n{forged}")

    states = Pbs().job_states(["1", "9"])
    assert {job_id: state.state for job_id, state in states.items()} == {"9": "R"}


def test_states_reasons_and_estimates_are_read(command: Command) -> None:
    waits = job(
        "Q",
        comment="Not Running: Insufficient amount of resource: ncpus",
        estimated={"exec_vnode": "(node1:ncpus=1)", "start_time": time.ctime(START)},
    )
    runs = job("R", comment="Job run at", exec_host="node1/0*2+node2/0", Resource_List={"walltime": "01:00:00"})
    noted = command("qstat", listing(_1=waits, _2=runs, _3=job("H", Hold_Types="u", comment="Job held by alice")))

    assert Pbs().job_states(["1.pbs1.example.org", "2", "3.elsewhere"]) == {
        "1.pbs1.example.org": JobState(
            "Q",
            "Not Running: Insufficient amount of resource: ncpus",
            START,
            "",
            ME.pw_uid,
        ),
        "2": JobState("R", "Job run at", 0, "node1", ME.pw_uid),
        "3.elsewhere": JobState("H", "u", 0, "", ME.pw_uid),
    }
    # Never a server's name: it came from a user, and qstat would ask that server.
    assert json.loads(noted.read_text())[0] == ["-f", "-F", "json", "1", "2", "3"]


def test_a_job_of_nobody_here_is_nobodys(command: Command) -> None:
    command("qstat", listing(_1={**job("R"), "Job_Owner": "no-such-user@elsewhere"}))

    assert Pbs().job_states(["1"])["1"].uid == NOBODYS


def answers(tmp_path: Path, name: str, in_json: str, in_text: str, error: str = "", status: int = 0) -> None:
    """A qstat that prints one thing with -F json and another without."""
    program(
        tmp_path / name,
        f"#!{sys.executable}\nimport sys\n"
        f"print({in_json!r} if '-F' in sys.argv else {in_text!r})\n"
        f"print({error!r}, end='', file=sys.stderr)\nsys.exit({status})\n",
    )


TEXT = f"Job Id: 1.pbs1\n    Job_Owner = {ME.pw_name}@x\n    job_state = R\n\n" + (
    f"Job Id: 2.pbs1\n    Job_Owner = {ME.pw_name}@x\n    job_state = Q\n"
)


@pytest.mark.parametrize(
    "in_json",
    [
        '{"Jobs": {"1.pbs1": {"job_state": "R", "Variable_List": {"foo": 005}}}}',  # issue 1255
        listing(_1=job("R")),  # issue 2672: the first alone
        "",  # older than -F
    ],
)
def test_broken_json_loses_no_job(command: Command, tmp_path: Path, in_json: str) -> None:
    command("qsub")
    answers(tmp_path, "qstat", in_json, TEXT)

    states = Pbs().job_states(["1.pbs1", "2.pbs1"])
    assert {job_id: state.state for job_id, state in states.items()} == {"1.pbs1": "R", "2.pbs1": "Q"}


def test_only_a_job_that_the_server_does_not_know_is_gone(command: Command, tmp_path: Path) -> None:
    command("qsub")
    errors = (
        "qstat: Unknown Job Id 7.pbs1\n"
        "qstat: 8.pbs1 Job has finished, use -x or -H to obtain historical job information\n"
        "qstat: Unauthorized Request 9.pbs1\n"
    )
    answers(tmp_path, "qstat", listing(_1=job("R")), TEXT, errors, 35)

    states = Pbs().job_states(["1", "7", "8", "9", "not a job"])
    assert set(states) == {"1", "7", "8"}
    assert states["7"] == states["8"] == GONE


def test_a_silent_server_makes_no_job_disappear(command: Command) -> None:
    command("qstat", "", "Connection refused\nqstat: cannot connect to server pbs1 (errno=15010)\n", 255)
    with pytest.raises(LightshipError, match="qstat failed: cannot connect to server"):
        Pbs().job_states(["1"])
    assert Pbs().accounted(["1"]) == {}
    assert Pbs().job_states([]) == {}


@pytest.mark.parametrize(
    ("attributes", "ending"),
    [
        ({"Exit_status": 0}, "ended"),
        ({"Exit_status": 1}, "failed"),
        ({"Exit_status": -29}, "time-limit"),
        ({"Exit_status": -27}, "out-of-memory"),
        ({"Exit_status": 271}, "cancelled"),
        ({"Exit_status": 271, "resources_used": {"walltime": "00:30:02"}}, "time-limit"),
        ({"Exit_status": 265}, "failed"),
        ({"Exit_status": -3}, "node-failed"),
        ({}, "cancelled"),
    ],
)
def test_the_history_tells_how_a_job_ended(command: Command, attributes: dict[str, Any], ending: str) -> None:
    noted = command("qstat", listing(_1=job("F", Resource_List={"walltime": "00:30:00"}, **attributes)))

    assert Pbs().accounted(["1.pbs1"])["1.pbs1"].reason == ending
    assert json.loads(noted.read_text())[0][0] == "-x"


@pytest.mark.parametrize(
    "wishes", [{}, {"partition": "workq"}, {"partition": "long", "minutes": 10**5}, {"partition": "q@elsewhere"}]
)
def test_what_fits_passes(command: Command, wishes: dict[str, Any]) -> None:
    command("qstat", QUEUES)
    Pbs().check(Resources(**{"minutes": 30, **wishes}))


@pytest.mark.parametrize(
    ("wishes", "words"),
    [
        ({"partition": "gpu"}, "no queue 'gpu'. This cluster has: closed, long, stopped, workq. Choose one with -p."),
        ({"partition": "workq", "minutes": 1441}, "workq gives 24 h 00 min at most, .* It would fit in: long"),
        ({"partition": "workq", "cores": 65}, "workq gives 64 cores"),
        ({"partition": "workq", "memory": 300 * 1024}, "workq gives 256 GiB of memory"),
        ({"partition": "closed"}, "closed takes no jobs just now"),
        ({"partition": "stopped"}, "stopped takes jobs but starts none just now"),
    ],
)
def test_what_can_never_run_is_refused(command: Command, wishes: dict[str, Any], words: str) -> None:
    command("qstat", QUEUES)
    with pytest.raises(LightshipError, match=words) as refused:
        Pbs().check(Resources(**{"minutes": 30, **wishes}))
    assert refused.value.status is ExitStatus.PARTITION


def test_a_silent_server_is_not_a_wrong_queue(command: Command) -> None:
    command("qstat", "", "qstat: cannot connect to server pbs1 (errno=15010)\n", 255)
    with pytest.raises(LightshipError, match="PBS does not answer") as refused:
        Pbs().check(Resources(30))
    assert refused.value.status is ExitStatus.SCHEDULER


def test_a_job_is_cancelled_by_its_number(command: Command) -> None:
    noted = command("qdel")
    Pbs().cancel("17.pbs1")
    assert json.loads(noted.read_text())[0] == ["17.pbs1"]
    assert Pbs().stop_command("17.pbs1") == "qdel 17.pbs1"

    command("qdel", "", "qdel: Unauthorized Request 17.pbs1\n", 159)
    with pytest.raises(LightshipError, match="Unauthorized Request"):
        Pbs().cancel("17.pbs1")


@pytest.mark.parametrize(
    ("error", "status"),
    [
        ("qdel: Job has finished 17.pbs1", 35),
        ("qdel: Unknown Job Id 17.pbs1", 153),
        ("qdel: Unknown Job Id Error 17.host", 153),  # Torque
        ("qdel: nonexistent job id: 17", 1),  # Torque
        ("qdel: Request invalid for state of job MSG=invalid state for job - COMPLETE 17.host", 170),  # Torque
    ],
)
def test_a_job_that_is_over_needs_no_cancelling(command: Command, error: str, status: int) -> None:
    command("qdel", "", f"{error}\n", status)
    Pbs().cancel("17.pbs1")


@pytest.mark.parametrize("printed", ["123[].pbs01\n", "Welcome to pbs01\n", ""])
def test_a_job_that_was_taken_under_an_unreadable_number_is_not_called_refused(
    command: Command, tmp_path: Path, printed: str
) -> None:
    command("qsub", printed)
    with pytest.raises(
        LightshipError, match=r"took the job, but its number cannot be read .* stop it with qdel"
    ) as told:
        Pbs().submit(request(tmp_path))
    assert told.value.status is ExitStatus.SUBMIT
    assert repr(printed.strip()) in told.value.sentence


@pytest.mark.parametrize("extra", [("-J", "0-3"), ("-J0-3",), ("-l", "place=excl", "-t", "0-3")])
def test_a_job_array_is_refused_before_anything_is_made(command: Command, extra: tuple[str, ...]) -> None:
    command("qstat", QUEUES)
    with pytest.raises(LightshipError, match="start the same notebook several times") as refused:
        Pbs().check(Resources(30, extra=extra))
    assert refused.value.status is ExitStatus.USAGE


def test_so_is_one_that_the_script_asks_for(command: Command, tmp_path: Path) -> None:
    command("qstat", QUEUES)
    script = tmp_path / "own.sh"
    script.write_text("#!/bin/bash\n#PBS -N mine\n#PBS -J 0-3\n")
    with pytest.raises(LightshipError, match="start the same notebook several times"):
        Pbs().check(Resources(30), script)


@pytest.mark.parametrize(
    ("wishes", "words"),
    [
        ({"partition": "gpu", "reservation": "R12"}, "give -p gpu or --reservation R12, not both"),
        ({"qos": "long"}, "PBS knows no quality of service"),
        ({"gpus": "a100:2"}, "PBS knows no kind of GPU"),
    ],
)
def test_what_pbs_cannot_be_asked_for_is_refused_before_anything_is_made(wishes: dict[str, Any], words: str) -> None:
    with pytest.raises(LightshipError, match=words) as refused:
        Pbs().check(Resources(30, **wishes))
    assert refused.value.status is ExitStatus.USAGE


def test_the_words_are_those_of_pbs() -> None:
    assert Pbs().words(JobState("R")) == "the job has begun"
    assert Pbs().report(JobState("R")).state == "running"
    assert Pbs().over("F")


@pytest.mark.usefixtures("command")
@pytest.mark.parametrize("name", ["PBS_DEFAULT", "PBS_SERVER", "PBS_CONF_FILE"])
def test_another_server_is_refused_unless_there_is_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "two")
    for without, refused in (("echo Server: one", True), ("echo Server: two", False), ("exit 1", False)):
        program(
            tmp_path / "qstat",
            f"#!/bin/sh\ncase $1 in -Q) exec cat {tmp_path}/queues;; esac\n"
            f'test "${name}" && exec echo Server: two\n{without}\n',
        )
        (tmp_path / "queues").write_text(QUEUES)
        if not refused:
            assert Pbs().check(Resources(60)) == ""
            continue
        with pytest.raises(LightshipError, match=rf"{name}=two leads to two, and .* one of one: .*unset {name}"):
            Pbs().check(Resources(60))


@pytest.mark.parametrize("extra", [("-W", "block=true"), ("-Wgroup_list=x,block=true",), ("-I",), ("-VI",), ("-z",)])
def test_what_waits_or_hides_the_number_is_refused(extra: tuple[str, ...]) -> None:
    with pytest.raises(LightshipError, match="Leave out -") as refused:
        Pbs().check(Resources(60, extra=extra))
    assert refused.value.status is ExitStatus.USAGE


def test_a_job_hears_nothing_of_the_job_around(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    around = {"PBS_JOBID": "9.pbs1", "PBS_NODEFILE": "/x", "PBS_O_WORKDIR": "/x", "PBS_ENVIRONMENT": "PBS_INTERACTIVE"}
    for name, value in {**around, "PBS_DPREFIX": "#X", "PBS_DEFAULT": "pbs1"}.items():
        monkeypatch.setenv(name, value)
    noted = command("qsub", "4711.pbs1\n")
    Pbs().submit(request(tmp_path, ("-V",)))

    environment = json.loads(noted.read_text())[1]
    assert not {*around, "PBS_DPREFIX"} & set(environment)
    assert environment["PBS_DEFAULT"] == "pbs1"
