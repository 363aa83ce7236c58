from __future__ import annotations

import io
from pathlib import Path

import pytest

from lightship_cluster.commands import stop
from lightship_cluster.commands.stop import stop_job
from lightship_cluster.core.errors import ExitStatus, LightshipError
from lightship_cluster.login import start_jupyter
from lightship_cluster.schedulers.slurm import Slurm
from unit.lightship_cluster.fake_login_node import Login
from unit.lightship_cluster.fake_programs import program
from unit.lightship_cluster.login.test_links import made
from unit.lightship_cluster.schedulers.conftest import Command, command

__all__ = ["command"]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def links(login: Login) -> Login:
    made(login.root, "amber-two-three", 2, job_id="17", cluster="demo")
    made(login.root, "briar-two-three", 1, job_id="18", cluster="demo")
    program(login.path / "bin" / "scancel", f'#!/bin/sh\necho "$@" >>{login.path}/scancel.noted\n')
    for name in ("amber-two-three", "briar-two-three"):
        login.registry.replies[name] = (200, {"state": "ready"})
    return login


def cancelled(login: Login) -> list[str]:
    noted = login.path / "scancel.noted"
    return noted.read_text().split("\n")[:-1] if noted.exists() else []


def test_a_name_stops_its_link_and_then_its_job(links: Login, capsys: pytest.CaptureFixture[str]) -> None:
    assert start_jupyter.main(["stop", "briar"]) is ExitStatus.OK

    assert capsys.readouterr().out == "briar-two-three (job 18) is stopped.\n"
    assert links.registry.asked[-1].path == "/v1/links/briar-two-three/cancel"
    assert links.registry.asked[-1].json["reason"] == "Stopped with start-jupyter stop."
    assert cancelled(links) == ["-- 18"]
    assert not (links.root / "briar-two-three" / "token").exists()
    assert (links.root / "amber-two-three" / "token").exists()


def test_all_stops_all_of_this_cluster(links: Login) -> None:
    made(links.root, "comet-two-three", 9, job_id="5", cluster="comet")

    assert start_jupyter.main(["stop", "--all"]) is ExitStatus.OK
    assert cancelled(links) == ["-- 17", "-- 18"]
    assert (links.root / "comet-two-three" / "token").exists()


@pytest.mark.parametrize(("answer", "jobs"), [("y\n", ["-- 17"]), ("\n", []), ("", []), ("no\n", [])])
def test_without_a_name_the_newest_is_asked_about(
    links: Login, answer: str, jobs: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", Terminal(answer))

    assert start_jupyter.main(["stop"]) is ExitStatus.OK
    assert capsys.readouterr().err == "Stop amber-two-three (job 17)? [y/N] "
    assert cancelled(links) == jobs


def test_nobody_to_ask_means_that_a_name_is_needed(
    links: Login, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))

    assert start_jupyter.main(["stop"]) is ExitStatus.USAGE
    assert "start-jupyter stop amber-two-three" in capsys.readouterr().err
    assert cancelled(links) == []


def test_a_name_and_all_do_not_go_together(links: Login) -> None:
    assert start_jupyter.main(["stop", "amber", "--all"]) is ExitStatus.USAGE
    assert cancelled(links) == []


def test_the_job_of_a_link_that_has_ended_is_stopped_all_the_same(
    links: Login, capsys: pytest.CaptureFixture[str]
) -> None:
    links.registry.replies["amber-two-three"] = (200, {"state": "ended"})

    assert start_jupyter.main(["stop", "amber"]) is ExitStatus.OK
    assert capsys.readouterr().out == "amber-two-three (job 17) had ended already.\n"
    assert not (links.root / "amber-two-three" / "token").exists()
    assert cancelled(links) == ["-- 17"]


@pytest.mark.usefixtures("login")
def test_nothing_to_stop_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert start_jupyter.main(["stop", "--all"]) is ExitStatus.OK
    assert capsys.readouterr().out == "You have no link to stop on this cluster.\n"


def test_without_an_input_a_name_is_needed(links: Login, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", None)

    assert start_jupyter.main(["stop"]) is ExitStatus.USAGE
    assert cancelled(links) == []


def test_a_link_of_another_cluster_is_stopped_there(links: Login, capsys: pytest.CaptureFixture[str]) -> None:
    made(links.root, "comet-two-three", 9, job_id="17", cluster="comet")

    assert start_jupyter.main(["stop", "comet"]) is ExitStatus.NO_LINK
    assert "runs on the cluster comet" in capsys.readouterr().err
    assert cancelled(links) == []


def test_without_an_agent_the_job_is_stopped_all_the_same(links: Login, capsys: pytest.CaptureFixture[str]) -> None:
    links.server.close()

    assert start_jupyter.main(["stop", "amber"]) is ExitStatus.AGENT
    assert "Job 17 was stopped all the same" in capsys.readouterr().err
    assert cancelled(links) == ["-- 17"]


def test_one_that_does_not_stop_keeps_none_of_the_others(links: Login, capsys: pytest.CaptureFixture[str]) -> None:
    program(links.path / "bin" / "scancel", "#!/bin/sh\ncase $2 in 17) echo 'scancel: error: no' >&2; exit 1;; esac\n")

    assert start_jupyter.main(["stop", "--all"]) is ExitStatus.SCHEDULER
    printed = capsys.readouterr()
    assert printed.out == "briar-two-three (job 18) is stopped.\n"
    assert "scancel failed" in printed.err


@pytest.mark.parametrize("state", ["CANCELLED", "COMPLETING"])
def test_a_job_that_ends_is_stopped(command: Command, state: str) -> None:
    command("scancel")
    command("squeue", f"17|{state}|1000|N/A|node1|None\n")
    stop_job(Slurm(), "17")


def test_a_job_that_stays_is_said_to(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stop, "GONE_SECONDS", 0.0)
    monkeypatch.setattr(stop, "POLL_SECONDS", 0.0)
    command("scancel")
    command("squeue", "17|RUNNING|1000|N/A|node1|None\n")
    with pytest.raises(
        LightshipError, match=r"Job 17 was told to stop but runs on .* begun\. To stop it: scancel 17"
    ) as error:
        stop_job(Slurm(), "17")
    assert error.value.status is ExitStatus.SCHEDULER


def test_it_is_looked_for_until_it_has_gone(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stop, "POLL_SECONDS", 0.0)
    command("scancel")
    states = "[ -e seen ] && state=COMPLETING || state=RUNNING; : >seen"
    program(tmp_path / "squeue", f'#!/bin/sh\ncd {tmp_path}; {states}; echo "17|$state|1000|N/A|node1|None"\n')
    stop_job(Slurm(), "17")
    assert (tmp_path / "seen").exists()


def test_a_scheduler_that_cannot_be_asked_is_believed(command: Command) -> None:
    command("scancel")
    command("squeue", error="slurm_load_jobs error: Unable to contact slurm controller\n", status=1)
    stop_job(Slurm(), "17")


def test_a_users_own_filter_does_not_speak_for_the_job(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SCANCEL_STATE", "SCANCEL_PARTITION", "SLURM_CLUSTERS", "SQUEUE_STATES", "SLURM_EXIT_ERROR"):
        monkeypatch.setenv(name, "none")
    command("squeue", "17|CANCELLED|1000|N/A||None\n")
    noted = command("scancel")
    stop_job(Slurm(), "17")
    assert not [name for name in ("SCANCEL_", "SLURM_CLUSTERS", "SLURM_EXIT_ERROR") if name in noted.read_text()]
