from __future__ import annotations

import time
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from lightship_cluster.core.errors import ExitStatus
from lightship_cluster.login import start_jupyter
from unit.lightship_cluster.fake_login_node import Login
from unit.lightship_cluster.login.test_links import made


def test_what_the_job_printed_cannot_drive_the_terminal(login: Login, capsys: pytest.CaptureFixture[str]) -> None:
    made(login.root, "amber-two-three", 1, alive=False).log.write_bytes(b"one\r\n\x1b[31mtwo\x1b[0m\x07\n\tthree\xff\n")

    assert start_jupyter.main(["logs"]) is ExitStatus.OK
    assert capsys.readouterr().out == "one\ntwo\n\tthree\ufffd\n"


def test_it_is_followed_until_the_job_takes_its_secret_away(
    login: Login, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = made(login.root, "amber-two-three", 1)
    folder.log.write_text("one\n")

    def steps() -> Iterator[None]:
        for words in ("two\n", "three\n"):
            with folder.log.open("a") as stream:
                stream.write(words)
            yield
        folder.forget_secrets()
        yield

    story = steps()
    # In that module alone: threads that other tests left behind sleep too.
    clock = SimpleNamespace(sleep=lambda _seconds: next(story), monotonic=time.monotonic)
    monkeypatch.setattr("lightship_cluster.commands.logs.time", clock)

    assert start_jupyter.main(["logs", "amber", "--follow"]) is ExitStatus.OK
    assert capsys.readouterr().out == "one\ntwo\nthree\n"


def test_a_job_that_could_not_take_its_secret_away_is_followed_until_the_registry_says_so(
    login: Login, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made(login.root, "amber-two-three", 1, cluster="demo").log.write_text("one\n")
    login.registry.replies["amber-two-three"] = (200, {"state": "ended"})
    monkeypatch.setattr("lightship_cluster.commands.logs.ASK_SECONDS", 0.0)

    assert start_jupyter.main(["logs", "amber", "-f"]) is ExitStatus.OK
    assert capsys.readouterr().out == "one\n"


def test_a_log_that_is_gone_is_said(login: Login, capsys: pytest.CaptureFixture[str]) -> None:
    made(login.root, "amber-two-three", 1).log.unlink()

    assert start_jupyter.main(["logs"]) is ExitStatus.LINK_FOLDER
    assert "job.log: No such file or directory" in capsys.readouterr().err


def test_a_log_without_a_line_is_said(login: Login, capsys: pytest.CaptureFixture[str]) -> None:
    made(login.root, "amber-two-three", 1).log.write_text("")

    assert start_jupyter.main(["logs"]) is ExitStatus.OK
    assert capsys.readouterr() == ("", "Its job has printed nothing yet.\n")
