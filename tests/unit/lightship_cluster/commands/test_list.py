from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from lightship_cluster.core.errors import ExitStatus
from lightship_cluster.login import start_jupyter
from unit.lightship_cluster.fake_login_node import Login
from unit.lightship_cluster.fake_registry import Reply
from unit.lightship_cluster.login.test_links import made


def status(state: str, seconds: float = 0) -> Reply:
    return 200, {"state": state, "job_id": "", "expires": int(time.time() + seconds)}


@pytest.fixture
def links(login: Login) -> Login:
    made(login.root, "amber-two-three", 3, job_id="17", cluster="demo", folder="/home/x")
    made(login.root, "briar-two-three", 2, job_id="18", cluster="demo")
    made(login.root, "cedar-two-three", 1, alive=False, cluster="demo")
    login.registry.replies["amber-two-three"] = status("ready", 1799)
    login.registry.replies["briar-two-three"] = status("starting")
    return login


@pytest.mark.usefixtures("links")
def test_the_living_are_listed_and_how_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert start_jupyter.main(["list"]) is ExitStatus.OK

    assert [line.split(None, 3) for line in capsys.readouterr().out.splitlines()] == [
        ["NAME", "JOB", "LEFT", "STATE"],
        ["amber-two-three", "17", "29", "min  ready"],
        ["briar-two-three", "18", "-", "starting on its node"],
    ]


def test_titles_have_a_column_when_there_are_some(links: Login, capsys: pytest.CaptureFixture[str]) -> None:
    made(links.root, "ember-two-three", 4, title="The protein that does not fold")
    links.registry.replies["ember-two-three"] = status("starting")

    assert start_jupyter.main(["list"]) is ExitStatus.OK
    head, first, second, _ = capsys.readouterr().out.splitlines()

    assert head.split() == ["NAME", "JOB", "LEFT", "TITLE", "STATE"]
    assert "  The protein that ...  " in first
    assert second[head.index("STATE") :] == "ready"


def test_the_ended_are_listed_when_asked_for(links: Login, capsys: pytest.CaptureFixture[str]) -> None:
    links.registry.replies["briar-two-three"] = links.registry.replies["cedar-two-three"] = (200, {"state": "ended"})

    assert start_jupyter.main(["list", "--all"]) is ExitStatus.OK
    states = {line.split()[0]: line.split()[-1] for line in capsys.readouterr().out.splitlines()[1:]}

    # A registry that is older tells no more.
    assert states == {"amber-two-three": "ready", "briar-two-three": "ended", "cedar-two-three": "ended"}
    assert not (links.root / "briar-two-three" / "token").exists()


def test_a_registry_that_knows_nothing_any_more_costs_no_job_its_secrets(
    links: Login, capsys: pytest.CaptureFixture[str]
) -> None:
    links.registry.replies["briar-two-three"] = (404, {"code": "no-such-link", "error": "There is none."})

    assert start_jupyter.main(["list"]) is ExitStatus.OK
    assert "briar" not in capsys.readouterr().out
    assert (links.root / "briar-two-three" / "secret").exists()


@pytest.mark.usefixtures("links")
def test_a_program_gets_one_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert start_jupyter.main(["list", "--json"]) is ExitStatus.OK
    first, second = (json.loads(line) for line in capsys.readouterr().out.splitlines())

    assert (first["name"], first["state"], first["job_id"], first["folder"]) == (
        "amber-two-three",
        "ready",
        "17",
        "/home/x",
    )
    assert (first["expires"] > time.time(), second["expires"]) == (True, 0)


def test_a_queued_job_is_told_of_in_plain_words(login: Login, capsys: pytest.CaptureFixture[str]) -> None:
    waiting = {"state": "PENDING", "reason": "Priority", "start": "", "node": ""}
    made(login.root, "amber-two-three", 1, job_id="17", cluster="demo", scheduler="slurm")
    login.server._handler = lambda _peer, _question: {"ok": True, "state": "waiting", "job_id": "17", "job": waiting}

    assert start_jupyter.main(["list"]) is ExitStatus.OK
    assert "queued: other jobs come first" in capsys.readouterr().out


def test_links_of_another_cluster_are_named_with_it(links: Login, capsys: pytest.CaptureFixture[str]) -> None:
    made(links.root, "delta-two-three", 9, cluster="comet", job_id="5")

    assert start_jupyter.main(["list"]) is ExitStatus.OK
    assert "on comet: ask there" in capsys.readouterr().out.splitlines()[1]
    assert "delta-two-three" not in links.registry.actions()


def test_without_an_agent_the_folders_tell_what_they_can(links: Login, capsys: pytest.CaptureFixture[str]) -> None:
    links.server.close()

    assert start_jupyter.main(["list"]) is ExitStatus.AGENT
    printed = capsys.readouterr()
    assert [line.split()[-1] for line in printed.out.splitlines()[1:]] == ["unknown", "unknown"]
    assert "lightship-agent" in printed.err


def test_nothing_to_list_is_said(login: Login, capsys: pytest.CaptureFixture[str]) -> None:
    assert start_jupyter.main(["list"]) is ExitStatus.OK
    assert capsys.readouterr().out == "You have no links. start-jupyter makes one.\n"
    assert list((login.path / "home").iterdir()) == []


@pytest.mark.usefixtures("links")
def test_a_narrow_terminal_gets_two_lines_for_each(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("shutil.get_terminal_size", lambda: os.terminal_size((30, 24)))
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    start_jupyter.main(["list"])
    lines = capsys.readouterr().out.splitlines()

    assert lines[:2] == ["amber-two-three", "  job 17, 29 min left, ready"]
    assert max(map(len, lines)) <= 30


@pytest.mark.usefixtures("links")
def test_a_reader_who_has_enough_is_no_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def full(*_: object, **__: object) -> None:
        raise BrokenPipeError

    with (tmp_path / "out").open("w") as stream:
        monkeypatch.setattr("sys.stdout", stream)
        monkeypatch.setattr("builtins.print", full)
        assert start_jupyter.main(["list"]) is ExitStatus.OK


def over(ended: float, ready: float, cause: str, reason: str = "") -> Reply:
    return 200, {"state": "ended", "ended": int(ended), "ready": int(ready), "cause": cause, "reason": reason}


AFTERNOON = time.mktime((2026, 3, 1, 14, 30, 0, 0, 0, -1))


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (over(AFTERNOON, AFTERNOON - 1799, "time-limit"), "ended 01 Mar 14:30 after 29 min: its time was up"),
        (
            over(AFTERNOON, AFTERNOON - 7200, "cancelled", "Stopped with start-jupyter stop."),
            "ended 01 Mar 14:30 after 2 h 00 min: stopped with start-jupyter stop",
        ),
        (over(AFTERNOON, 0, "not-started"), "ended 01 Mar 14:30 before it was ready: its job never started"),
        (over(AFTERNOON, 0, "cancelled", "x" * 200), "ended 01 Mar 14:30 before it was ready: cancelled"),
        (over(AFTERNOON, 0, "", ""), "ended 01 Mar 14:30 before it was ready"),
        (over(AFTERNOON, 0, "of-a-newer-registry"), "ended 01 Mar 14:30 before it was ready"),
    ],
)
def test_the_ended_say_when_why_and_after_how_long(
    links: Login, capsys: pytest.CaptureFixture[str], answer: Reply, words: str
) -> None:
    links.registry.replies["cedar-two-three"] = answer

    assert start_jupyter.main(["list", "-a"]) is ExitStatus.OK
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("cedar")]
    assert line.split("  ")[-1].strip() == words


def test_an_end_is_asked_for_once_and_told_to_programs(links: Login, capsys: pytest.CaptureFixture[str]) -> None:
    links.registry.replies["cedar-two-three"] = over(AFTERNOON, AFTERNOON - 60, "failed", "Jupyter ended.")
    for _ in range(2):
        assert start_jupyter.main(["list", "-a", "--json"]) is ExitStatus.OK
        *_, last = (json.loads(line) for line in capsys.readouterr().out.splitlines())
        assert (last["state"], last["ended"], last["ready"]) == ("ended", int(AFTERNOON), int(AFTERNOON) - 60)
        assert (last["cause"], last["reason"]) == ("failed", "Jupyter ended.")

    assert len([action for action in links.registry.actions() if action.startswith("cedar")]) == 1


def test_the_end_of_a_link_that_just_ended_is_not_asked_for_twice(
    links: Login, capsys: pytest.CaptureFixture[str]
) -> None:
    links.registry.replies["briar-two-three"] = over(AFTERNOON, 0, "revoked")
    start_jupyter.main(["list", "-a"])

    assert "revoked by an administrator" in capsys.readouterr().out
    assert len([action for action in links.registry.actions() if action.startswith("briar")]) == 1


@pytest.mark.parametrize("ago", [0, 60, 600])
def test_an_end_that_the_scheduler_may_still_correct_is_asked_for_again(
    links: Login, capsys: pytest.CaptureFixture[str], ago: float
) -> None:
    now = time.time() - ago
    links.registry.replies["cedar-two-three"] = over(now, now - 60, "cancelled", "The job was stopped.")
    start_jupyter.main(["list", "-a"])
    assert ": the job was stopped" in capsys.readouterr().out

    memory = "The job used more memory than it had asked for."
    links.registry.replies["cedar-two-three"] = over(now, now - 60, "out-of-memory", memory)
    start_jupyter.main(["list", "-a"])
    assert ": it ran out of memory" in capsys.readouterr().out


def test_without_all_nobody_asks_for_those_that_have_ended(links: Login) -> None:
    start_jupyter.main(["list"])

    assert sorted(action.partition("?")[0] for action in links.registry.actions()) == [
        "amber-two-three",
        "briar-two-three",
    ]


def test_nothing_that_a_registry_or_a_scheduler_says_drives_the_terminal(
    links: Login, capsys: pytest.CaptureFixture[str]
) -> None:
    links.registry.replies["cedar-two-three"] = over(AFTERNOON, 0, "cancelled", "by \x1b[2J somebody")
    start_jupyter.main(["list", "-a"])

    assert capsys.readouterr().out.replace("\n", "").isprintable()
