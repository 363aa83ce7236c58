from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import lightship_registry
from lightship_registry.admin import cli, host
from lightship_registry.admin.cli import COMMANDS, main
from lightship_registry.admin.status import ExitStatus
from lightship_registry.core.errors import RegistryError
from unit.lightship_registry.admin.conftest import Desk

README = (Path(lightship_registry.__file__).parent / "README.md").read_text("utf-8")


SUBCOMMANDS = [["keys", "rotate"], ["keys", "revoke"], ["authorities", "rotate"], ["authorities", "finish"]]


@pytest.mark.parametrize("command", [[], *([name] for name in COMMANDS), *SUBCOMMANDS])
def test_every_command_explains_itself_in_80_columns(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*command, "--help"]) == ExitStatus.OK
    text = capsys.readouterr().out
    assert "Usage: lightship" in text
    assert "\\b" not in text
    assert all(len(line) <= 100 for line in text.splitlines())


def test_the_readme_names_every_command_and_exit_status() -> None:
    for name in COMMANDS:
        assert re.search(rf"^    lightship {name}\b", README, re.MULTILINE), name
    said = README.partition("It exits with ")[2].partition("What it changes")[0].replace("\n", " ")
    assert all(f" {int(status)} " in f" {said}" for status in ExitStatus)


def test_an_unknown_command_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["frob"]) == ExitStatus.USAGE
    assert "No such command" in capsys.readouterr().err


def test_who_is_not_root_is_told_so(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: desk.testbed.settings.folders.state_dir.stat().st_uid + 12345)
    assert desk.run("links") == ExitStatus.FAILED
    assert "Only root may do this. Run it again with sudo." in desk.err


def test_what_is_done_as_the_service_is_done_as_the_service(desk: Desk) -> None:
    before, (read, write) = os.geteuid(), os.pipe()
    service = 4321 if before == 0 else before
    if before == 0:
        os.chown(desk.testbed.settings.folders.state_dir, service, service)
    host.as_service(desk.testbed.settings, lambda: (os.write(write, f"{os.getresuid()}".encode()), None)[1])
    os.close(write)
    with os.fdopen(read) as answer:
        assert answer.read() == f"{(service,) * 3}"
    assert os.geteuid() == before


def test_a_failure_of_that_part_is_a_failure_of_the_whole(desk: Desk) -> None:
    def fail() -> None:
        raise RegistryError("It went wrong.")

    if os.geteuid() == 0:
        os.chown(desk.testbed.settings.folders.state_dir, 4321, 4321)
    with pytest.raises(RegistryError):
        host.as_service(desk.testbed.settings, fail)


def test_the_connection_killer_starts_without_the_libraries_of_the_service() -> None:
    program = (
        "import sys; from lightship_registry.admin import cli; from lightship_registry.admin.commands import cut; "
        "print(sorted(sys.modules))"
    )
    scripts = Path(cli.__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", program], cwd=scripts, capture_output=True, text=True, check=True)
    for heavy in ("sqlalchemy", "starlette", "rich", "cryptography", "uvicorn"):
        assert f"'{heavy}'" not in done.stdout, heavy


def test_the_connection_killer_carries_out_what_lies_in_its_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("cut", "routes"):
        (tmp_path / name).mkdir()
    (tmp_path / "cut" / "one-two-three").write_text("nonsense")
    arguments = ["cut", "--folder", str(tmp_path / "cut"), "--routes", str(tmp_path / "routes")]
    assert main(arguments) == ExitStatus.FAILED
    assert "does not hold a target" in capsys.readouterr().out
    assert main(arguments) == ExitStatus.OK
    (tmp_path / "routes").rmdir()
    (tmp_path / "cut" / "one-two-three").write_text("10.1.2.3:4567\n")
    assert main(arguments) == ExitStatus.FAILED
    assert "were not cut" in capsys.readouterr().out
