"""An interrupted start, or one without a reader: what was made is removed or reported."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from typing import Any

import pytest

from lightship_cluster.core.errors import ExitStatus
from unit.lightship_cluster.fake_login_node import LINK, READY, Login
from unit.lightship_cluster.fake_programs import program
from unit.lightship_cluster.fake_registry import Asked, Reply
from unit.lightship_cluster.login.test_start_jupyter import SCRIPTS, run


def test_ctrl_c_before_the_job_leaves_nothing(login: Login, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(_asked: Asked) -> Reply:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.2)
        return 201, LINK

    login.registry.replies["ping"] = interrupted

    assert run() is ExitStatus.INTERRUPTED
    assert "nothing is left" in capsys.readouterr().err
    assert login.registry.actions() == ["ping"]
    assert not login.root.exists()


def test_ctrl_c_while_the_job_is_handed_over_waits_for_its_number(
    login: Login, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(login.path / "bin" / "sbatch", "#!/bin/sh\nkill -INT $PPID\n/bin/sleep 0.2\necho 17\n")
    monkeypatch.setenv("PYTHONPATH", SCRIPTS)
    code = "import sys; from lightship_cluster.login.start_jupyter import main; sys.exit(main([]))"
    # A process of its own: signals reach any thread of this one.
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert done.returncode == ExitStatus.INTERRUPTED
    assert "Your job 17 goes on" in done.stderr
    assert login.registry.actions() == ["ping", "links", "job"]
    assert (login.root / "one-two-three" / "secret").exists()


def test_ctrl_c_while_waiting_leaves_the_job_alone(
    login: Login, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(_follower: object) -> dict[str, Any]:
        raise KeyboardInterrupt

    monkeypatch.setattr("lightship_cluster.login.follow.Follower.until_ready", interrupted)

    assert run() is ExitStatus.INTERRUPTED
    assert "To stop it: scancel 17" in capsys.readouterr().err
    assert "cancel" not in login.registry.actions()
    assert (login.root / "one-two-three" / "secret").exists()


def test_ctrl_c_while_the_link_is_made_leaves_no_link(login: Login, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(_asked: Asked) -> Reply:
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        return 201, LINK

    login.registry.replies["links"] = interrupted

    assert run() is ExitStatus.INTERRUPTED
    assert login.registry.actions() == ["ping", "links", "cancel"]
    assert not login.root.exists()
    assert "nothing is left" in capsys.readouterr().err


def test_a_start_that_nobody_reads_submits_nothing(
    login: Login, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ours, theirs = os.pipe()
    os.close(ours)
    with os.fdopen(theirs, "w") as unread:
        monkeypatch.setattr("sys.stdout", unread)
        assert run() is ExitStatus.INTERRUPTED

    assert login.registry.actions() == ["ping", "links", "cancel"]
    assert not login.root.exists()
    assert "nobody reads what is printed" in capsys.readouterr().err
    assert not login.submitted()


def test_a_start_that_nobody_reads_on_says_so_and_leaves_the_job(
    login: Login, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def gone(*_: object) -> None:
        raise BrokenPipeError

    monkeypatch.setattr("lightship_cluster.login.progress.Events.show", gone)
    login.registry.replies["one-two-three"] = (200, {**READY, "state": "starting"})

    assert run("--json") is ExitStatus.INTERRUPTED
    assert "Your job 17 goes on. To stop it: scancel 17" in capsys.readouterr().err
    assert "cancel" not in login.registry.actions()


def test_what_nohup_ignores_stays_ignored(login: Login, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signal, "signal", lambda number, _handler: handled.append(number))
    monkeypatch.setattr(signal, "getsignal", {signal.SIGHUP: signal.SIG_IGN}.get)
    handled: list[int] = []
    run("-d", str(login.path / "absent"))

    assert [number for number in handled if number != signal.SIGALRM] == [signal.SIGTERM]


def test_a_disk_that_takes_no_output_is_said(
    login: Login, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    program(login.path / "bin" / "scancel", f'#!/bin/sh\necho "$@" >{login.path}/scancel.noted\n')
    with open("/dev/full", "w") as full:  # noqa: PTH123 - a device
        monkeypatch.setattr("sys.stdout", full)
        assert run() is ExitStatus.FAILED
    assert "No space left on device." in capsys.readouterr().err
    # Whoever does not get the link gets no job either.
    assert (login.path / "scancel.noted").read_text() == "-- 17\n"
    assert login.registry.actions() == ["ping", "links", "cancel"]
    assert not login.root.exists()


def test_a_job_that_cannot_be_taken_back_is_named(
    login: Login, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    program(login.path / "bin" / "scancel", "#!/bin/sh\necho 'scancel: error: no controller' >&2; exit 1\n")
    with open("/dev/full", "w") as full:  # noqa: PTH123 - a device
        monkeypatch.setattr("sys.stdout", full)
        assert run() is ExitStatus.FAILED
    assert "Job 17 could not be cancelled" in capsys.readouterr().err
