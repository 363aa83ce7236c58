"""Cases that the tests of the whole job cannot cover, such as a program that this user may not signal."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lightship_cluster.core.errors import LightshipError
from lightship_cluster.environments.base import Start
from lightship_cluster.job import child
from lightship_cluster.job.child import Child


def test_a_program_that_may_not_be_signalled_does_not_hold_up_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(_group: int, _number: int) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(child, "STOP_SECONDS", 0.1)
    running = Child(Start(("sleep", "60"), {"PATH": os.defpath}), 0o022)
    try:
        began = time.monotonic()
        with monkeypatch.context() as patched:
            patched.setattr(os, "killpg", forbidden)
            running.ask_to_stop()
            running.stop()
        assert time.monotonic() - began < 5
    finally:
        os.kill(running.process, 9)
        running.wait(5)


@pytest.fixture
def fetching(tmp_path: Path) -> Iterator[Child]:
    """Return a program that begins only when the file `begun` exists."""
    running = Child(Start(("sleep", "60"), {"PATH": os.defpath}, begun=tmp_path / "begun"), 0o022)
    yield running
    running.stop()


def test_fetching_an_image_takes_nothing_of_the_time_for_a_first_answer(
    fetching: Child, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [time.monotonic()]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    for _ in range(5):
        now[0] += child.START_SECONDS
        assert not fetching.late(child.START_SECONDS)
    (tmp_path / "begun").touch()
    now[0] += child.START_SECONDS - 1
    assert not fetching.late(child.START_SECONDS)
    now[0] += 2
    assert fetching.late(child.START_SECONDS)


def test_an_image_that_never_comes_is_given_up(fetching: Child, monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + child.FETCH_SECONDS)
    with pytest.raises(LightshipError, match="The image was not ready within 60 min"):
        fetching.late(child.START_SECONDS)


def test_a_program_without_an_image_counts_from_its_start(monkeypatch: pytest.MonkeyPatch) -> None:
    running = Child(Start(("sleep", "60"), {"PATH": os.defpath}), 0o022)
    try:
        now = time.monotonic()
        monkeypatch.setattr(time, "monotonic", lambda: now + 601)
        assert running.late(child.START_SECONDS)
    finally:
        running.stop()


def test_nothing_of_the_users_shell_keeps_the_guard_from_its_work(tmp_path: Path) -> None:
    (tmp_path / "exit.sh").write_text("exit 0\n")
    functions = {f"BASH_FUNC_{name}%%": "() { :; }" for name in ("kill", "read", "sleep", "trap")}
    variables = {"PATH": os.defpath, "BASH_ENV": str(tmp_path / "exit.sh"), **functions}
    with subprocess.Popen(["/bin/sleep", "60"], start_new_session=True) as running:
        guard = child.guard(running.pid, Start(("sleep",), variables))
        assert guard.stdin
        guard.stdin.close()
        assert running.wait(10) == -15
        guard.wait(10)
