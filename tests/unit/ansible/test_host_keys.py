"""Host keys are replaced in steps, each of which may fail or be the last: sshd keeps keys that its users know."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from unit.ansible.plugins import load

NAMES = ("ssh_host_ecdsa_key", "ssh_host_ed25519_key")


class KilledError(BaseException):
    """The program is killed: nothing of it runs any more."""


class Sshd:
    """What sshd makes of its files, and of the calls to reload it."""

    def __init__(self, folder: Path) -> None:
        program: Any = load("roles/ssh_gateway/files/host_keys.py")
        self.program = program
        self.keys = [folder / name for name in NAMES]
        self.folder = folder
        self.program.DROP_IN = folder / "05.conf"
        self.program.BEFORE = folder / "05.before"
        self.settings: dict[str, list[str]] = {}
        self.own: list[str] = []
        self.broken = False
        self.connections = ""
        self.steps, self.lives_for = 0, -1
        for key in self.keys:
            kind = key.name.split("_")[2]
            subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", str(key)], check=True)
        self.start()

    def effective(self, word: str) -> list[str]:
        """As `sshd -T` prints it: by default all that the distribution would have."""
        if word != "hostkey":
            return self.settings.get(word, [])
        if not self.program.DROP_IN.exists():
            return self.own or [str(self.folder / "ssh_host_rsa_key"), *map(str, self.keys)]
        lines = self.program.DROP_IN.read_text().splitlines()
        return [line.removeprefix("HostKey ") for line in lines if line[0] != "#"] + self.own

    def start(self) -> None:
        """Read the files: the first key of each kind counts."""
        keys = [Path(path) for path in self.effective("hostkey") if Path(path).exists()]
        self.announced = [self.program.public(key) for key in keys]
        self.shown = set({key.split()[0]: key for key in reversed(self.announced)}.values())

    def tried(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """Run ssh-keygen, and do what systemd would."""
        words = [str(each) for each in arguments]
        if words[0] == "ssh-keygen":
            return subprocess.run(words, capture_output=True, text=True, check=False)
        self.step()
        if words[:2] == ["systemctl", "reload"]:
            if self.broken:
                return subprocess.CompletedProcess(words, 1, "", "no reload")
            self.start()
        return subprocess.CompletedProcess(words, 0, self.connections if words[0] == "ps" else "1", "")

    def step(self) -> None:
        if 0 <= self.lives_for <= self.steps:
            raise KilledError
        self.steps += 1

    def run(self, *arguments: str) -> int:
        status: int = self.program.main([arguments[0], "ssh", *arguments[1:]])
        return status

    def finish(self) -> int:
        """Both steps of the playbook."""
        return self.run("present", "--now") or self.run("finish")

    def files(self) -> dict[str, str]:
        return {path.name: path.read_text() for path in self.folder.iterdir()}


@pytest.fixture
def sshd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sshd:
    sshd = Sshd(tmp_path)
    for name in ("effective", "tried"):
        monkeypatch.setattr(sshd.program, name, getattr(sshd, name))
    monkeypatch.setattr(sshd.program, "served", lambda: sshd.shown)
    monkeypatch.setattr(sshd.program.time, "sleep", lambda _: None)
    return sshd


def test_from_the_old_keys_to_the_new(sshd: Sshd, capsys: pytest.CaptureFixture[str]) -> None:
    old, names = sshd.shown, sshd.files().keys()
    assert sshd.finish() == 1
    assert "No replacement is under way" in capsys.readouterr().out
    assert sshd.run("begin") == 0
    assert sshd.run("begin") == 1
    assert "The last replacement is not finished" in capsys.readouterr().out
    assert (sshd.shown, len(sshd.announced)) == (old, 4)
    assert sshd.run("present", "--now") == 0
    new = sshd.shown
    assert not new & old
    assert {*sshd.announced} == new | old
    assert sshd.run("undo") == 0
    assert sshd.shown == old
    assert sshd.finish() == 0
    assert sshd.shown == new == {*sshd.announced}
    assert sshd.files().keys() == names
    assert not [text for text in sshd.files().values() if any(key in text for key in old)]
    assert all(key.stat().st_mode & 0o777 == 0o600 for key in sshd.keys)


def test_it_waits_for_clients_that_cannot_know_the_new_keys(sshd: Sshd, capsys: pytest.CaptureFixture[str]) -> None:
    sshd.run("begin")
    sshd.connections = " 5\n 100\n"
    assert sshd.run("present") == 1
    assert "are open (2)" in capsys.readouterr().out
    sshd.connections = ""
    assert sshd.run("present") == 1
    assert "less than a day" in capsys.readouterr().out
    for key in sshd.keys:
        os.utime(f"{key}.lightship-next", (0, sshd.program.time.time() - 86401))
    assert sshd.run("present") == 0


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ({"hostcertificate": ["/x"]}, "hostcertificate set"),
        ({"hostkeyagent": ["/run/agent"]}, "hostkeyagent set"),
    ],
)
def test_keys_that_are_signed_or_kept_elsewhere(
    sshd: Sshd, setting: dict[str, list[str]], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    sshd.settings = setting
    assert sshd.run("begin") == 1
    assert words in capsys.readouterr().out


def test_keys_that_others_chose(sshd: Sshd, capsys: pytest.CaptureFixture[str]) -> None:
    sshd.own = [str(key) for key in sshd.keys]
    files = sshd.files()
    assert sshd.run("begin") == 1
    assert "HostKey lines of its own" in capsys.readouterr().out
    assert sshd.files() == files


@pytest.mark.parametrize("step", ["begin", "present", "finish"])
def test_what_fails_is_put_back(sshd: Sshd, step: str, capsys: pytest.CaptureFixture[str]) -> None:
    for earlier, more in (("begin", ()), ("present", ("--now",))):
        if step == earlier:
            break
        sshd.run(earlier, *more)
    files, reload = sshd.files(), sshd.program.reload
    sshd.program.see = lambda _keys: (_ for _ in ()).throw(sshd.program.RefusedError("sshd is away."))
    assert sshd.run(step, "--now") == 1
    assert "sshd is away. Everything is as it was before." in capsys.readouterr().out
    if step == "finish":
        # Of a step before.
        files["05.conf"] = files.pop("05.before")
    assert {name: text for name, text in sshd.files().items() if name in files} == files
    assert not [name for name in sshd.files() if name.endswith(("-old", ".before"))]
    assert sshd.program.reload is reload


def killed(sshd: Sshd, monkeypatch: pytest.MonkeyPatch, steps: int, *commands: tuple[str, ...]) -> bool:
    """Run the steps on a host that loses its power so early; false if they came to their end before."""

    @contextmanager
    def nothing(_undo: object) -> Iterator[None]:
        yield

    def counted(real: Any) -> Any:
        def change(*arguments: Any, **options: Any) -> Any:
            sshd.step()
            return real(*arguments, **options)

        return change

    with monkeypatch.context() as patched:
        patched.setattr(sshd.program, "put_back", nothing)
        for name in ("replace", "unlink", "chmod"):
            patched.setattr(os, name, counted(getattr(os, name)))
        sshd.steps, sshd.lives_for = 0, steps
        try:
            for command in commands:
                sshd.run(*command)
        except KilledError:
            return True
        finally:
            sshd.lives_for = -1
    return False


@pytest.mark.parametrize("commands", [[("begin",)], [("present", "--now"), ("finish",)]], ids=["begin", "finish"])
def test_killed_at_any_step_sshd_starts_and_the_playbook_is_run_again(
    sshd: Sshd, monkeypatch: pytest.MonkeyPatch, commands: list[tuple[str, ...]]
) -> None:
    monkeypatch.setattr(os, "fsync", lambda _: None)
    names = sshd.files().keys()
    steps = 0
    while True:
        if commands[0] != ("begin",):
            assert sshd.run("begin") == 0
        known = {*sshd.announced}
        if not killed(sshd, monkeypatch, steps, *commands):
            break
        sshd.start()
        assert sshd.shown
        assert sshd.shown <= known | {*sshd.announced}
        if commands[0] != ("begin",):
            assert sshd.shown <= known
        # Whatever was begun is finished, and what was not is begun.
        if sshd.finish() != 0:
            assert sshd.run("begin") == 0
            assert sshd.finish() == 0
        assert sshd.files().keys() == names
        assert {*sshd.announced} == sshd.shown
        steps += 1
    assert steps > 5
