from __future__ import annotations

import json
from typing import Any

import pytest

from lightship_cluster.agent.requests import Operation, Requests
from lightship_cluster.core.errors import ExitStatus
from lightship_cluster.login import checks, start_jupyter
from lightship_cluster.login.checks import CHECKS
from lightship_cluster.registry_client.server_check import ServerCheck
from unit.lightship_cluster.fake_login_node import Login
from unit.lightship_cluster.fake_programs import program
from unit.lightship_cluster.fake_registry import Reply
from unit.lightship_cluster.login.test_links import made

ANSWERS: dict[str, dict[str, Reply]] = {
    "key": {"ping": (403, {"code": "refused", "error": "Refused."})},
    "cluster": {"ping": (200, {"cluster": "other"})},
    "proxy": {"": (502, b"<html>")},
}


@pytest.fixture
def healthy(login: Login) -> Login:
    program(login.path / "site" / "bin" / "register-jupyter", "#!/bin/sh\n")
    program(login.path / "bin" / "openssl", "#!/bin/sh\n")
    program(login.path / "bin" / "squeue", "#!/bin/sh\n")
    folder = made(login.root, "amber-two-three", 1, url=login.registry.url, cluster="demo")
    folder.log.write_text("The link https://amber-two-three.example.org is open.\n")
    login.registry.replies["ping"] = (200, {"cluster": "demo"})
    login.registry.replies[""] = (404, {})
    return login


def examined(capsys: pytest.CaptureFixture[str]) -> tuple[ExitStatus, dict[str, dict[str, Any]]]:
    status = start_jupyter.main(["doctor", "--json"])
    # The agent, which has a journal of its own elsewhere, prints here too.
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    assert [finding["check"] for finding in found] == [name for name, _ in CHECKS]
    return status, {finding["check"]: finding for finding in found}


@pytest.mark.usefixtures("healthy")
def test_where_all_is_well_it_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert start_jupyter.main(["doctor"]) is ExitStatus.OK
    printed = capsys.readouterr().out

    assert printed.count("\nok ") + printed.startswith("ok ") == len(CHECKS)
    assert printed.endswith("\nAll is well: start-jupyter gives you a notebook.\n")


@pytest.mark.parametrize(
    ("broken", "check", "status", "words"),
    [
        ("settings", "settings", ExitStatus.SETTINGS, "nowhere.ini"),
        ("register-jupyter", "programs", ExitStatus.SETTINGS, "register-jupyter"),
        ("trust", "registry", ExitStatus.REGISTRY, "its certificate is not trusted"),
        ("agent", "agent", ExitStatus.AGENT, "lightship-agent"),
        ("key", "agent", ExitStatus.REFUSED, "cluster's key"),
        ("cluster", "agent", ExitStatus.SETTINGS, "speaks for the cluster 'other', the settings for 'demo'"),
        ("proxy", "browser", ExitStatus.REGISTRY, "answers with status 502"),
        ("slurm", "scheduler", ExitStatus.SCHEDULER, "sbatch"),
        ("partition", "job", ExitStatus.PARTITION, "There is no partition 'gone'"),
        ("script", "script", ExitStatus.BATCH_SCRIPT, "slurm/notebook.sh"),
        ("jupyter", "jupyter", ExitStatus.JUPYTER, "no 'jupyter' on your PATH"),
    ],
)
def test_the_first_thing_that_is_wrong_is_named(
    healthy: Login,
    broken: str,
    check: str,
    status: ExitStatus,
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    site = healthy.path / "site"
    settings = site / "etc" / "lightship.ini"
    if broken == "settings":
        monkeypatch.setenv("LIGHTSHIP_CONFIG", "/nowhere.ini")
    elif broken == "trust":
        settings.write_text(settings.read_text().replace("ca_file", "#"))
    elif broken == "agent":
        healthy.server.close()
    elif broken == "partition":
        settings.write_text(settings.read_text() + "[defaults]\npartition = gone\n")
    elif broken == "script":
        (site / "batch" / "slurm" / "notebook.sh").unlink()
    elif broken in ("key", "cluster", "proxy"):
        healthy.registry.replies.update(ANSWERS[broken])
    else:
        name = {"slurm": "bin/sbatch", "jupyter": "bin/jupyter"}.get(broken, "site/bin/register-jupyter")
        (healthy.path / name).unlink()

    found, findings = examined(capsys)
    first = next(finding for finding in findings.values() if finding["level"] == "wrong")

    assert (found, first["check"], first["status"]) == (status, check, status)
    assert words in first["words"]


def test_a_check_that_fails_in_a_way_nobody_thought_of_keeps_none_from_being_made(
    healthy: Login, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def surprise(_transport: object) -> ServerCheck:
        raise ValueError("a surprise")

    monkeypatch.setattr(checks, "check_server", surprise)
    status, findings = examined(capsys)

    assert status is ExitStatus.FAILED
    assert "a surprise" in findings["registry"]["words"]
    assert findings["node"]["level"] == "ok"
    assert healthy.registry.asked


def test_the_program_of_the_settings_is_what_is_looked_for(healthy: Login, capsys: pytest.CaptureFixture[str]) -> None:
    settings = healthy.path / "site" / "etc" / "lightship.ini"
    settings.write_text(settings.read_text() + "[defaults]\napp = viewer --port {port}\nfolder = /gone\n")
    program(healthy.path / "site" / "batch" / "slurm" / "app.sh", 'exec "$2" "$1" --app\n')
    program(healthy.path / "bin" / "viewer", "#!/bin/sh\n")
    (healthy.path / "bin" / "jupyter").unlink()
    status, findings = examined(capsys)

    assert (status, findings["folder"]["level"]) == (ExitStatus.FOLDER, "wrong")
    assert findings["jupyter"]["level"] == "ok"


def test_what_the_default_partition_does_not_give_is_a_doubt(
    healthy: Login, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = healthy.path / "site" / "etc" / "lightship.ini"
    settings.write_text(settings.read_text() + "[defaults]\ntime = 48:00:00\n")
    status, findings = examined(capsys)

    assert (status, findings["job"]["level"]) == (ExitStatus.OK, "doubt")
    assert "compute, which gives 24 h 00 min at most" in findings["job"]["words"]


def test_a_job_that_is_still_on_its_way_is_no_doubt(healthy: Login, capsys: pytest.CaptureFixture[str]) -> None:
    folder = made(healthy.root, "briar-two-three", 9, cluster="demo")
    folder.log.write_text("Lmod has been loaded\n")
    _, findings = examined(capsys)

    assert findings["node"]["level"] == "skipped"


def test_the_verdict_repeats_the_first_and_nothing_is_said_twice(
    healthy: Login, capsys: pytest.CaptureFixture[str]
) -> None:
    (healthy.path / "bin" / "sbatch").unlink()

    assert start_jupyter.main(["doctor"]) is ExitStatus.SCHEDULER
    lines = capsys.readouterr().out.splitlines()
    wrong = [line for line in lines if line.startswith("WRONG")]

    assert len(wrong) == 1
    assert lines[-1] == f"First of all: {wrong[0].partition('scheduler  ')[2]}"
    assert len([line for line in lines if "cannot be checked before that is right" in line]) == 3


@pytest.mark.usefixtures("healthy")
@pytest.mark.parametrize(
    ("off", "level", "words"),
    [(0.4, "ok", "agree"), (12, "doubt", "12 s apart"), (3700, "wrong", "1 h 01 min apart")],
)
def test_clocks_are_compared(
    off: float,
    level: str,
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(checks, "check_server", lambda _transport: ServerCheck(404, 8e6, 0.9, off))
    _, findings = examined(capsys)

    assert findings["clock"]["level"] == level
    assert words in findings["clock"]["words"]


@pytest.mark.usefixtures("healthy")
def test_a_certificate_that_nobody_renews_is_a_doubt(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(checks, "check_server", lambda _transport: ServerCheck(404, 3 * 86400 + 1800, 0.04, 0))
    status, findings = examined(capsys)

    assert status is ExitStatus.OK
    assert "ends in 3 days" in findings["registry"]["words"]
    assert {findings[name]["level"] for name in ("registry", "browser")} == {"doubt"}


def test_nodes_are_judged_by_the_last_job(healthy: Login, capsys: pytest.CaptureFixture[str]) -> None:
    folder = made(healthy.root, "briar-two-three", 9, alive=False, cluster="demo")
    folder.log.write_text("register-jupyter: The registry cannot be reached (no route to host).\n")
    _, findings = examined(capsys)

    assert findings["node"]["level"] == "doubt"
    assert "The registry cannot be reached (no route to host)." in findings["node"]["words"]


def test_before_a_first_job_nodes_cannot_be_judged(
    login: Login, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "check_server", lambda _transport: ServerCheck(404, 8e6, 0.9, 0))
    program(login.path / "site" / "bin" / "register-jupyter", "#!/bin/sh\n")
    login.registry.replies["ping"] = (200, {"cluster": "demo"})
    status, findings = examined(capsys)

    assert status is ExitStatus.OK
    assert findings["node"]["level"] == "skipped"
    assert findings["programs"]["level"] == "doubt"


@pytest.mark.usefixtures("healthy")
@pytest.mark.parametrize(
    ("columns", "lines"),
    [
        ("40", ["ok     clock", "  this host and the registry agree"]),
        ("80", ["ok     clock      this host and the registry agree"]),
    ],
)
def test_on_a_narrow_terminal_the_words_stand_on_lines_of_their_own(
    columns: str, lines: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", columns)
    start_jupyter.main(["doctor"])
    assert "\n".join(["", *lines, ""]) in capsys.readouterr().out


def test_an_agent_that_cannot_ask_the_scheduler_is_a_doubt_with_the_cause(
    healthy: Login, capsys: pytest.CaptureFixture[str]
) -> None:
    squeue = healthy.path / "bin" / "squeue"
    program(squeue, "#!/bin/sh\necho 'slurm_load_jobs error: Unable to contact slurm controller' >&2\nexit 1\n")
    status, found = examined(capsys)
    assert status is ExitStatus.OK
    assert found["states"]["level"] == "doubt"
    assert "Unable to contact slurm controller" in found["states"]["words"]
    assert "asks for its job, more seldom" in found["states"]["words"]


@pytest.mark.usefixtures("healthy")
def test_an_older_agent_that_cannot_say_so_is_a_doubt(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    operation = Requests._operation

    def older(self: Requests, question: dict[str, Any]) -> Operation:
        return operation(self, {"op": "unknown"} if question["op"] == "scheduler" else question)

    monkeypatch.setattr(Requests, "_operation", older)
    status, found = examined(capsys)
    assert status is ExitStatus.OK
    assert found["states"]["level"] == "doubt"
    assert "older than this command" in found["states"]["words"]
