"""The whole command, with fake Slurm commands and, behind the real agent, a fake registry."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import lightship_cluster
from lightship_cluster.core.errors import ExitStatus
from lightship_cluster.login import start_jupyter
from unit.lightship_cluster.fake_login_node import LINK, READY, Login
from unit.lightship_cluster.fake_programs import program
from unit.lightship_cluster.fake_registry import Asked, Reply

SCRIPTS = str(Path(lightship_cluster.__file__).parents[1])


def run(*argv: str) -> ExitStatus:
    return start_jupyter.main(argv)


def test_the_link_comes_first_and_then_the_notebook(login: Login, capsys: pytest.CaptureFixture[str]) -> None:
    status = run("-p", "debug", "-A", "abc123", "-t", "60", "-i")
    printed = capsys.readouterr()
    token = (login.root / "one-two-three" / "token").read_text()

    assert status is ExitStatus.OK
    assert printed.out == f"Your notebook is here:\n    https://one-two-three.example.org?token={token}\n"
    assert len(token) == 32
    assert re.search(r"Ready: your notebook answers\. 5\d min left\. To stop it: start-jupyter stop\n", printed.err)
    assert "https://one-two-three.example.org/.lightship/\n" in printed.err
    assert "time          1 h 00 min" in printed.err
    assert "account       abc123" in printed.err
    assert login.registry.actions() == ["ping", "links", "job", login.registry.actions()[3]]
    assert login.registry.asked[1].json["seconds"] == 3600


def test_the_registry_is_told_how_to_start_again_and_the_hash_of_the_token_only(login: Login) -> None:
    run("-p", "debug", "-t", "60", "--title", "My thesis")
    token = (login.root / "one-two-three" / "token").read_text()
    told = login.registry.asked[1].json

    assert told["command"] == "start-jupyter -p debug -t 60 --title 'My thesis'"
    assert told["title"] == "My thesis"
    assert told["subject"] == "notebook"
    assert told["token_sha256"] == hashlib.sha256(token.encode()).hexdigest()
    assert not any(token.encode() in asked.body for asked in login.registry.asked)


def test_the_job_gets_paths_and_no_secret(login: Login) -> None:
    run("-d", "/tmp")
    folder = login.root / "one-two-three"
    words = login.submitted().splitlines()

    streams = [f"--output={folder}/job.log", f"--error={folder}/job.log"]
    assert words[:5] == ["--parsable", "--chdir=/tmp", *streams, "--time=30"]
    assert words[-3:] == [
        str(login.path / "site" / "batch" / "slurm" / "notebook.sh"),
        str(folder),
        str(login.path / "site" / "bin" / "register-jupyter"),
    ]
    assert LINK["secret"] == (folder / "secret").read_text()
    assert "5e5e" not in login.submitted()


@pytest.mark.parametrize(
    ("argv", "expected", "words"),
    [
        (["-d", "/nowhere"], ExitStatus.FOLDER, "/nowhere"),
        (["-p", "gpu"], ExitStatus.PARTITION, "compute (default), debug"),
        (["-b", "slurm/absent.sh"], ExitStatus.BATCH_SCRIPT, "slurm/notebook.sh"),
    ],
)
def test_a_wrong_wish_leaves_nothing(
    login: Login, argv: list[str], expected: ExitStatus, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*argv) is expected
    printed = capsys.readouterr()
    assert printed.out == ""
    assert words in printed.err
    assert not login.registry.asked
    assert not login.submitted()
    assert list((login.path / "home").iterdir()) == []


@pytest.mark.parametrize(
    ("broken", "expected"),
    [
        ("jupyter", ExitStatus.JUPYTER),
        ("slurm", ExitStatus.SCHEDULER),
        ("agent", ExitStatus.AGENT),
        ("registry", ExitStatus.REGISTRY),
        ("settings", ExitStatus.SETTINGS),
        ("quota", ExitStatus.REFUSED),
        ("time", ExitStatus.REFUSED),
    ],
)
def test_a_broken_site_leaves_nothing(
    login: Login, broken: str, expected: ExitStatus, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    replies: dict[str, dict[str, Any]] = {
        "registry": {"ping": (502, b"<html>")},
        "quota": {"links": (429, {"code": "quota", "error": "Too many."})},
        "time": {"links": (422, {"code": "bad-request", "error": "Too long."})},
    }
    login.registry.replies.update(replies.get(broken, {}))
    if broken in ("jupyter", "slurm"):
        (login.path / "bin" / {"jupyter": "jupyter", "slurm": "sbatch"}[broken]).unlink()
    if broken == "agent":
        login.server.close()
    if broken == "settings":
        monkeypatch.setenv("LIGHTSHIP_CONFIG", "/nowhere.ini")

    assert run() is expected
    assert capsys.readouterr().err.startswith("start-jupyter: ")
    assert not login.submitted()
    assert list((login.path / "home").iterdir()) == []


@pytest.mark.parametrize("how", [(), ("-q",), ("--json",)])
def test_a_job_that_slurm_refuses_takes_its_link_back_and_shows_none(
    login: Login, capsys: pytest.CaptureFixture[str], how: tuple[str, ...]
) -> None:
    program(login.path / "bin" / "sbatch", "#!/bin/sh\necho 'sbatch: error: Invalid account' >&2; exit 1\n")

    assert run("-A", "wrong", *how) is ExitStatus.SUBMIT
    printed = capsys.readouterr()
    assert "Invalid account" in printed.err
    assert "https://" not in printed.out + printed.err
    assert login.registry.actions() == ["ping", "links", "cancel"]
    assert not login.root.exists()


def test_a_job_that_fails_ends_its_link_and_forgets_its_secrets(
    login: Login, capsys: pytest.CaptureFixture[str]
) -> None:
    login.registry.replies["one-two-three"] = (200, {"state": "ended", "reason": "Jupyter ended."})

    assert run() is ExitStatus.JOB
    assert "Jupyter ended." in capsys.readouterr().err
    assert login.registry.actions()[-1] == "cancel"
    assert sorted(path.name for path in (login.root / "one-two-three").iterdir()) == ["job.log", "link.json"]


def test_a_link_cancelled_on_its_page_takes_the_queued_job_along(
    login: Login, capsys: pytest.CaptureFixture[str]
) -> None:
    program(login.path / "bin" / "scancel", f'#!/bin/sh\necho "$@" >{login.path}/scancel.noted\n')
    ended = {"state": "ended", "cause": "cancelled", "reason": "Cancelled on its page.", "job_id": "17"}
    login.registry.replies["one-two-three"] = (200, ended)

    assert run() is ExitStatus.JOB
    assert "Cancelled on its page. Job 17 was cancelled too." in capsys.readouterr().err
    assert (login.path / "scancel.noted").read_text() == "-- 17\n"
    assert not (login.root / "one-two-three" / "secret").exists()


def test_a_job_without_its_number_in_the_registry_goes_on(login: Login, capsys: pytest.CaptureFixture[str]) -> None:
    login.registry.replies["job"] = (409, {"code": "job-set", "error": "It has one."})

    assert run() is ExitStatus.OK
    assert "It has one." in capsys.readouterr().err


def test_a_lost_job_number_is_told_again(login: Login, capsys: pytest.CaptureFixture[str]) -> None:
    told: list[Asked] = []

    def first_lost(asked: Asked) -> Reply:
        told.append(asked)
        return (502, b"<html>") if len(told) == 1 else (200, {})

    def status(_asked: Asked) -> Reply:
        return 200, READY if len(told) > 1 else {**READY, "state": "waiting", "job_id": ""}

    login.registry.replies.update({"job": first_lost, "one-two-three": status})

    assert run() is ExitStatus.OK
    assert "could not be told yet" in capsys.readouterr().err
    assert [asked.json["job_id"] for asked in told] == ["17", "17"]


def test_a_disk_that_fills_after_the_job_was_handed_in_costs_no_notebook(
    login: Login, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Asked] = []

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def set_job(asked: Asked) -> Reply:
        told.append(asked)
        return 200, {}

    login.registry.replies["job"] = set_job
    monkeypatch.setattr(Path, "replace", full)

    assert run() is ExitStatus.OK
    assert "Job 17 is submitted, but that could not be noted. Cannot write" in capsys.readouterr().err
    assert [asked.json["job_id"] for asked in told] == ["17"]


def test_what_the_scheduler_says_of_a_job_that_it_takes_is_shown(
    login: Login, capsys: pytest.CaptureFixture[str]
) -> None:
    program(login.path / "bin" / "sbatch", "#!/bin/sh\necho 'sbatch: Your project has 3 hours left.' >&2; echo 17\n")
    assert run() is ExitStatus.OK
    assert capsys.readouterr().err.splitlines()[0] == "Slurm says: Your project has 3 hours left."


def test_what_a_default_partition_does_not_give_is_said_and_left_to_the_site(
    login: Login, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("-t", "1441") is ExitStatus.OK
    said = "Jobs that name no partition go to compute, which gives 24 h 00 min at most, "
    assert capsys.readouterr().err.splitlines()[0].startswith(said)
    assert "--time=1441" in login.submitted().splitlines()


@pytest.mark.usefixtures("login")
def test_a_program_is_told_of_it_before_the_link(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("-t", "1441", "--json") is ExitStatus.OK
    told = events(capsys.readouterr().out)

    assert [event["event"] for event in told[:2]] == ["note", "link"]
    assert "compute, which gives 24 h 00 min" in told[0]["words"]


@pytest.mark.parametrize(
    ("line", "warned"),
    [
        ([], True),
        (["--preset", "small"], True),
        (["--preset", "short"], False),
        (["-t", "45"], False),
        (["10"], False),
    ],
)
def test_a_batch_scripts_own_time_is_said_to_be_unused_unless_somebody_gave_another(
    login: Login, capsys: pytest.CaptureFixture[str], line: list[str], *, warned: bool
) -> None:
    own = program(login.path / "own.sh", '#!/bin/bash\n#SBATCH --time=08:00:00\nexec "$2" "$1" -- jupyter lab\n')
    mine = login.path / "home" / ".config" / "lightship" / "lightship.ini"
    mine.parent.mkdir(parents=True)
    mine.write_text("[defaults]\ntime = 45\n[preset short]\ntime = 10\n[preset small]\ncores = 1\n")

    assert run("-b", str(own), *line) is ExitStatus.OK
    said = "The batch script's own time, 08:00:00, is not used: the job gets 45 min. Give the time with -t."
    assert (said in capsys.readouterr().err) is warned


def test_a_time_for_the_scheduler_alone_is_refused_before_anything_is_made(
    login: Login, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--", "-t", "240") is ExitStatus.USAGE
    assert "Give the time with -t: the link ends with it." in capsys.readouterr().err
    assert not login.registry.asked

    mine = login.path / "home" / ".config" / "lightship" / "lightship.ini"
    mine.parent.mkdir(parents=True)
    mine.write_text("[defaults]\nextra = --time=4:00:00\n")
    assert run() is ExitStatus.USAGE
    assert not login.registry.asked


def test_whoever_waits_for_the_scheduler_is_told_for_what(
    login: Login, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lightship_cluster.login.progress.MOMENT_SECONDS", 0.01)
    program(login.path / "bin" / "sbatch", "#!/bin/sh\n/bin/sleep 0.3\necho 17\n")

    assert run() is ExitStatus.OK
    assert "Waiting for Slurm to take the job\n" in capsys.readouterr().err
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_a_time_that_slurm_would_read_otherwise_is_said(login: Login, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("-t", "1:00", "-p", "compute") is ExitStatus.OK
    said = "The time 1:00 is taken for hours and minutes, 1 h 00 min."
    assert capsys.readouterr().err.startswith(said)
    assert "--time=60" in login.submitted().splitlines()


@pytest.mark.parametrize("letters", ["\x1b[2Jb\x07", "a\x9b31mb", "a\u202eb", "a\rb"])
def test_nothing_that_was_typed_drives_the_terminal(
    login: Login, capsys: pytest.CaptureFixture[str], letters: str
) -> None:
    for argv in (["-d", f"/absent/{letters}"], ["-b", letters], ["-p", letters], [letters], ["stop", letters]):
        with suppress(SystemExit):
            run(*argv)
        printed = capsys.readouterr()
        assert (printed.out + printed.err).replace("\n", "").isprintable()
    assert not login.submitted()


def events(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_a_program_is_told_each_event_as_json(login: Login, capsys: pytest.CaptureFixture[str]) -> None:
    polls: list[Asked] = []

    def status(asked: Asked) -> Reply:
        polls.append(asked)
        return 200, READY if len(polls) > 1 else {**READY, "state": "starting"}

    login.registry.replies["one-two-three"] = status

    assert run("--json") is ExitStatus.OK
    printed = capsys.readouterr()
    told = events(printed.out)
    token = (login.root / "one-two-three" / "token").read_text()

    assert [event["event"] for event in told] == ["link", "job", "state", "ready"]
    assert told[0]["url"] == f"https://one-two-three.example.org?token={token}"
    assert told[1] == {"event": "job", "job_id": "17", "log": str(login.root / "one-two-three" / "job.log")}
    assert told[2]["words"] == "Jupyter is starting on its node"
    assert (told[3]["name"], told[3]["stop"]) == ("one-two-three", "scancel 17")
    assert told[3]["stop_link"] == "start-jupyter stop one-two-three"
    assert printed.err == ""


def test_a_program_is_told_why_there_is_no_notebook(login: Login, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--json", "-p", "gpu") is ExitStatus.PARTITION
    (failed,) = events(capsys.readouterr().out)

    assert (failed["event"], failed["status"], failed["code"]) == ("failed", 7, "PARTITION")
    assert "compute (default)" in failed["words"]
    assert not login.registry.asked


def test_quiet_prints_the_link_and_nothing_else(login: Login, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("-q", "-i") is ExitStatus.OK
    printed = capsys.readouterr()

    assert (
        printed.out
        == f"https://one-two-three.example.org?token={(login.root / 'one-two-three' / 'token').read_text()}\n"
    )
    assert printed.err == ""


def test_quiet_does_not_hide_what_went_wrong(login: Login, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("-q", "-d", str(login.path / "absent")) is ExitStatus.FOLDER
    assert "does not exist" in capsys.readouterr().err


def test_everything_that_is_asked_for_reaches_the_scheduler(login: Login) -> None:
    line = "-c 8 -m 16G -g a100:2 --qos q --reservation r --constraint c --nodes 2 -- --exclusive --comment=mine"
    run(*line.split())
    words = login.submitted().splitlines()

    asked = {"--cpus-per-task=8", "--mem=16384M", "--gres=gpu:a100:2", "--qos=q", "--reservation=r", "--constraint=c"}
    assert asked | {"--nodes=2", "--exclusive", "--comment=mine"} <= set(words)
    assert words.index("--comment=mine") < words.index("--")


def test_the_interface_chooses_the_script(login: Login) -> None:
    run("-s", "lab")

    assert str(login.path / "site" / "batch" / "slurm" / "jupyterlab.sh") in login.submitted().splitlines()


def test_another_program_is_noted_for_the_job(login: Login, capsys: pytest.CaptureFixture[str]) -> None:
    script = program(login.path / "site" / "batch" / "slurm" / "app.sh", 'exec "$2" "$1" --app\n')

    assert run("--app", f"{sys.executable} -m http.server '{{port}}'", "-t", "5") is ExitStatus.OK
    metadata = json.loads((login.root / "one-two-three" / "link.json").read_text())
    assert metadata["app"] == [sys.executable, "-m", "http.server", "{port}"]
    assert str(script) in login.submitted().splitlines()
    printed = capsys.readouterr()
    assert printed.out.startswith("Your program is here:")
    assert "Ready: your program answers." in printed.err


@pytest.mark.parametrize(
    ("argv", "status", "phrase"),
    [
        (("--app", "no-such-program {port}"), ExitStatus.JUPYTER, "There is no 'no-such-program' on the PATH"),
        (("--app", "python3 -m http.server"), ExitStatus.USAGE, "must say where it shall listen"),
        (("--app", "python3 {port} {socket}"), ExitStatus.USAGE, "must say where it shall listen"),
        (("-b", "slurm/app.sh"), ExitStatus.USAGE, "--app 'COMMAND'"),
    ],
)
def test_a_program_that_cannot_be_shown_is_refused_before_anything_is_made(
    login: Login, capsys: pytest.CaptureFixture[str], argv: tuple[str, ...], status: ExitStatus, phrase: str
) -> None:
    program(login.path / "site" / "batch" / "slurm" / "app.sh", 'exec "$2" "$1" --app\n')
    try:
        ended = run(*argv)
    except SystemExit as error:
        ended = ExitStatus(int(str(error.code)))

    assert ended is status
    assert phrase in capsys.readouterr().err
    assert not login.submitted()
    assert not login.root.exists()


def test_a_program_by_its_path_is_looked_for_where_the_job_starts(
    login: Login, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    program(login.path / "site" / "batch" / "slurm" / "app.sh", 'exec "$2" "$1" --app\n')
    here, home = login.path / "here", login.path / "home"
    program(here / "x.sh", "#!/bin/sh\n")
    program(here / "bin" / "tool", "#!/bin/sh\n")
    monkeypatch.chdir(here)
    monkeypatch.setenv("PATH", f"{login.path}/bin:bin:")

    # Without -d the job starts in the home, which has neither.
    for command in ("./x.sh {port}", "tool {port}", "x.sh {port}"):
        assert run("--app", command) is ExitStatus.JUPYTER
        assert not login.submitted()
    said = capsys.readouterr().err
    assert f"There is no program {home}/x.sh that can be run. The job starts in its own folder" in said
    assert "There is no 'tool' on the PATH that the job would have." in said

    for command in ("./x.sh {port}", "tool {port}", f"{here}/x.sh {{port}}"):
        shutil.rmtree(login.root, ignore_errors=True)
        assert run("-d", ".", "--app", command) is ExitStatus.OK


def test_a_start_in_a_deleted_folder_works_unless_it_names_something_there(
    login: Login, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = login.path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()

    for folder in (".", "sub"):
        assert run("--json", "-d", folder) is ExitStatus.FOLDER
        printed = capsys.readouterr()
        (failed,) = events(printed.out)
        assert (failed["event"], failed["status"]) == ("failed", 4)
        assert f"The folder that you are in was deleted, and '{folder}' is below it." in printed.err
    assert run("--json", "-d", "/tmp") is ExitStatus.OK
    assert [event["event"] for event in events(capsys.readouterr().out)] == ["link", "job", "ready"]
    monkeypatch.chdir(login.path)


@pytest.mark.usefixtures("login")
def test_a_program_is_told_of_an_error_of_the_system_too(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO), "/home/file")

    monkeypatch.setattr("lightship_cluster.login.launch.Launch", broken)

    assert run("--json") is ExitStatus.FAILED
    printed = capsys.readouterr()
    (failed,) = events(printed.out)
    assert (failed["event"], failed["words"]) == ("failed", "Input/output error: /home/file.")
    assert printed.err == "start-jupyter: Input/output error: /home/file.\n"


@pytest.mark.parametrize("variable", ["SBATCH_ARRAY_INX", "SBATCH_CLUSTERS", "SLURM_CLUSTERS"])
def test_a_variable_that_makes_another_job_is_refused_before_anything_is_made(
    login: Login, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, "1-3")

    assert run() is ExitStatus.USAGE
    assert f"Type: unset {variable}" in capsys.readouterr().err
    assert not login.registry.asked


def test_a_user_has_presets_and_defaults_of_their_own(login: Login) -> None:
    mine = login.path / "home" / ".config" / "lightship" / "lightship.ini"
    mine.parent.mkdir(parents=True)
    mine.write_text("[defaults]\naccount = mine\n[preset big]\ncores = 32\ntime = 2:00:00\n")

    assert run("--preset", "big") is ExitStatus.OK
    assert {"--account=mine", "--cpus-per-task=32", "--time=120"} <= set(login.submitted().splitlines())


def test_settings_that_cannot_be_read_stop_nobody(login: Login, capsys: pytest.CaptureFixture[str]) -> None:
    (login.path / "home" / ".config" / "lightship" / "lightship.ini").mkdir(parents=True)

    assert run() is ExitStatus.OK
    assert "cannot be read (Is a directory); the site's alone are used." in capsys.readouterr().err


def test_a_folder_with_strange_letters_needs_no_locale(login: Login, monkeypatch: pytest.MonkeyPatch) -> None:
    strange = login.path / "h\u00f6m\udcff\u2603"
    strange.mkdir()
    monkeypatch.setenv("PYTHONPATH", SCRIPTS)
    # A locale that knows ASCII only, as Python sees it.
    monkeypatch.setenv("PYTHONIOENCODING", "ascii:strict")
    code = "import sys; from lightship_cluster.login.start_jupyter import main; sys.exit(main(sys.argv[1:]))"
    for line, status in ((["-d", str(strange), "-i"], 0), (["list", "--json"], 0), (["-d", f"{strange}/absent"], 4)):
        done = subprocess.run(
            [sys.executable, "-c", code, *line], capture_output=True, check=False, env={**os.environ, "LC_ALL": "C"}
        )
        assert (done.returncode, b"Traceback" in done.stderr) == (status, False), done.stderr


def test_help_imports_next_to_nothing() -> None:
    code = (
        "import sys; from lightship_cluster.login.start_jupyter import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: print('loaded', *sorted(sys.modules))"
    )
    environment = {"PYTHONPATH": SCRIPTS}
    done = subprocess.run(
        [sys.executable, "-S", "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.splitlines()[-1].split())

    assert not loaded & {"ssl", "http.client", "subprocess", "socket", "json", "configparser"}
