"""The commands for PBS, and the messages for users. The outputs are recorded from OpenPBS 23.06.06; see recorded.py."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lightship_cluster.core.errors import ExitStatus, LightshipError
from lightship_cluster.schedulers import base
from lightship_cluster.schedulers.base import JobRequest, JobState, NoAnswerError, Resources
from lightship_cluster.schedulers.pbs import Pbs
from unit.lightship_cluster.fake_programs import program
from unit.lightship_cluster.schedulers import recorded
from unit.lightship_cluster.schedulers.conftest import Command


def request(tmp_path: Path, extra: tuple[str, ...] = (), **asked: Any) -> JobRequest:
    paths = {"script": Path("/b/pbs/notebook.sh"), "folder": tmp_path, "log": Path("/home/a b/job.log")}
    return JobRequest(arguments=("/link", "/bin/register"), resources=Resources(90, extra=extra, **asked), **paths)


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
    ("asked", "told"),
    [
        ({"cores": 8, "memory": 16384, "gpus": "2"}, ["-l", "select=1:ncpus=8:mem=16384mb:ngpus=2"]),
        ({"nodes": 2}, ["-l", "select=2"]),
        ({"nodes": 2, "cores": 4, "constraint": "switch=ib"}, ["-l", "select=2:ncpus=4:switch=ib"]),
        ({"reservation": "R123"}, ["-q", "R123"]),
        ({"reservation": "R626.login"}, ["-q", "R626"]),
        ({"reservation": "S7.pbs1.example.org"}, ["-q", "S7"]),
        ({"reservation": "course"}, ["-q", "course"]),
        ({"extra": ("-l", "place=excl")}, ["-l", "place=excl"]),
    ],
)
def test_options_become_a_select_statement(
    command: Command, tmp_path: Path, asked: dict[str, Any], told: list[str]
) -> None:
    noted = command("qsub", "4711.pbs1\n")
    Pbs().submit(request(tmp_path, **asked))

    arguments = json.loads(noted.read_text())[0]
    assert " ".join(told) in " ".join(arguments)


@pytest.mark.parametrize(("asked", "what"), [({"gpus": "a100:2"}, "kind of GPU"), ({"qos": "long"}, "quality of")])
def test_what_pbs_has_no_word_for_is_said(tmp_path: Path, asked: dict[str, Any], what: str) -> None:
    with pytest.raises(LightshipError, match=f"PBS knows no {what}.* after --"):
        Pbs().submit(request(tmp_path, **asked))


def test_a_path_that_cannot_be_handed_on_is_refused(tmp_path: Path) -> None:
    paths = {"script": Path("/b/notebook.sh"), "folder": tmp_path, "log": Path("/x/job.log")}
    with pytest.raises(LightshipError, match="comma"):
        Pbs().submit(JobRequest(arguments=("/home/a,b", "/bin/register"), resources=Resources(60), **paths))


@pytest.mark.parametrize("folder", ["/home/jürgen", "/home/日本", "/home/a\u0301"])
def test_a_path_that_qsub_refuses_is_not_given_to_it(command: Command, tmp_path: Path, folder: str) -> None:
    noted = command("qsub", "4711.pbs1\n")
    Pbs().submit(replace(request(tmp_path), log=Path(folder, "job.log"), arguments=(folder, "/bin/register")))

    arguments, environment = json.loads(noted.read_text())
    assert arguments[arguments.index("-o") + 1] == "/dev/null"
    assert environment["LIGHTSHIP_LINK"] == folder


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
@pytest.mark.usefixtures("command")
def test_a_job_array_is_refused_before_anything_is_made(tmp_path: Path, extra: tuple[str, ...]) -> None:
    recorded.qstat(tmp_path, "queues", "queues")
    with pytest.raises(LightshipError, match="start the same notebook several times") as refused:
        Pbs().check(Resources(30, extra=extra))
    assert refused.value.status is ExitStatus.USAGE


@pytest.mark.usefixtures("command")
def test_so_is_one_that_the_script_asks_for(tmp_path: Path) -> None:
    recorded.qstat(tmp_path, "queues", "queues")
    script = tmp_path / "own.sh"
    script.write_text("#!/bin/bash\n#PBS -N mine\n#PBS -J 0-3\n")
    with pytest.raises(LightshipError, match="start the same notebook several times"):
        Pbs().check(Resources(30), script)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"partition": "gpu", "reservation": "R12"}, "give -p gpu or --reservation R12, not both"),
        ({"qos": "long"}, "PBS knows no quality of service"),
        ({"gpus": "a100:2"}, "PBS knows no kind of GPU"),
    ],
)
def test_what_pbs_cannot_be_asked_for_is_refused_before_anything_is_made(asked: dict[str, Any], words: str) -> None:
    with pytest.raises(LightshipError, match=words) as refused:
        Pbs().check(Resources(30, **asked))
    assert refused.value.status is ExitStatus.USAGE


def test_the_words_are_those_of_pbs() -> None:
    assert Pbs().phrase(JobState("R")) == "the job has begun"
    assert Pbs().report(JobState("R")).state == "running"
    assert Pbs().over("F")


@pytest.mark.usefixtures("command")
@pytest.mark.parametrize("name", ["PBS_DEFAULT", "PBS_SERVER", "PBS_CONF_FILE"])
def test_another_server_is_refused_unless_there_is_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "two")
    recorded.qstat(tmp_path, "queues", "queues")
    (tmp_path / "qstat").rename(tmp_path / "recorded")
    for without, refused in (("echo Server: one", True), ("echo Server: two", False), ("exit 1", False)):
        program(
            tmp_path / "qstat",
            f'#!/bin/sh\ncase $1 in -Q) exec {tmp_path}/recorded "$@";; esac\n'
            f'test "${name}" && exec echo Server: two\n{without}\n',
        )
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
