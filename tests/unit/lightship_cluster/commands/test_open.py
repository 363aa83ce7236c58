from __future__ import annotations

import errno
import importlib
import os
import signal

import pytest

from lightship_cluster.core.errors import ExitStatus
from lightship_cluster.login import start_jupyter
from unit.lightship_cluster.fake_login_node import Login
from unit.lightship_cluster.fake_programs import program
from unit.lightship_cluster.login.test_links import made

open_command = importlib.import_module("lightship_cluster.commands.open")
URL = "https://amber-two-three.example.org?token=t"


@pytest.fixture
def desktop(login: Login, monkeypatch: pytest.MonkeyPatch) -> Login:
    made(login.root, "amber-two-three", 1)
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    program(login.path / "bin" / "xdg-open", f'#!/bin/sh\necho "$@" >{login.path}/opened\n')
    return login


def test_the_link_is_printed_with_its_token_and_nothing_opens_without_a_desktop(
    desktop: Login, capsys: pytest.CaptureFixture[str]
) -> None:
    assert start_jupyter.main(["open"]) is ExitStatus.OK
    assert capsys.readouterr().out == f"{URL}\n"
    assert not (desktop.path / "opened").exists()


def test_a_browser_is_given_a_private_file_and_not_the_token(
    desktop: Login, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DISPLAY", ":0")
    page = desktop.root / "amber-two-three" / "open.html"
    for _ in range(2):
        assert start_jupyter.main(["open", "amber"]) is ExitStatus.OK

    assert capsys.readouterr().out == f"{URL}\n" * 2
    assert (desktop.path / "opened").read_text() == f"{page}\n"
    assert URL in page.read_text()
    assert page.stat().st_mode & 0o777 == 0o600


def test_an_opener_that_is_the_browser_itself_goes_on(
    desktop: Login, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr(open_command, "OPEN_SECONDS", 0.2)
    program(desktop.path / "bin" / "xdg-open", f"#!/bin/sh\necho $$ >{desktop.path}/opened\nexec /bin/sleep 60\n")

    assert start_jupyter.main(["open"]) is ExitStatus.OK
    assert capsys.readouterr().err == "Your browser opens it.\n"
    os.kill(int((desktop.path / "opened").read_text()), signal.SIGKILL)  # it still runs


def test_a_home_that_cannot_be_written_leaves_the_link(
    desktop: Login, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def read_only(*_: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr(open_command, "write_private", read_only)

    assert start_jupyter.main(["open"]) is ExitStatus.FAILED
    printed = capsys.readouterr()
    assert printed.out == f"{URL}\n"
    assert "(Read-only file system). Copy the link" in printed.err
    assert not (desktop.path / "opened").exists()


def test_a_browser_that_does_not_open_leaves_the_link(
    desktop: Login, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-0")
    program(desktop.path / "bin" / "xdg-open", "#!/bin/sh\nexit 3\n")

    assert start_jupyter.main(["open"]) is ExitStatus.FAILED
    printed = capsys.readouterr()
    assert printed.out == f"{URL}\n"
    assert "Copy the link" in printed.err


def test_an_ended_link_has_no_token_any_more(login: Login, capsys: pytest.CaptureFixture[str]) -> None:
    made(login.root, "amber-two-three", 1, alive=False)

    assert start_jupyter.main(["open", "amber"]) is ExitStatus.NO_LINK
    assert "has ended" in capsys.readouterr().err
