from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lightship_cluster.job import end_warning
from lightship_cluster.job.end_warning import EndWarning, write_to_terminals

# Plays the notebook, with a real terminal: starts a shell in it, as Jupyter does, and hands the other end to nobody.
NOTEBOOK = """
import os, pty, sys
pid, master = pty.fork()
if pid == 0:
    print("a shell", flush=True)
    os.execvp("sleep", ["sleep", "600"])
os.read(master, 100)
print("open", flush=True)
while True:
    sys.stdout.buffer.write(os.read(master, 1000))
    sys.stdout.flush()
"""


@pytest.fixture
def terminals(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, str]]:
    written: list[tuple[int, str]] = []
    monkeypatch.setattr(end_warning, "write_to_terminals", lambda process, text: written.append((process, text)))
    monkeypatch.delenv("SLURM_JOB_END_TIME", raising=False)
    return written


def expecting(seconds: float) -> EndWarning:
    warning = EndWarning()
    warning.expect(time.time() + seconds)
    return warning


def test_five_minutes_before_the_end_is_time_to_warn(terminals: list[tuple[int, str]]) -> None:
    warning = expecting(3600)
    warning.warn_if_due(17)

    assert terminals == []
    assert 3290 < warning.pause() <= 3300


def test_of_a_short_life_the_second_half_is_warned_of(terminals: list[tuple[int, str]]) -> None:
    assert 50 < expecting(120).pause() <= 60
    assert terminals == []


def test_the_job_may_end_before_its_link(terminals: list[tuple[int, str]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_JOB_END_TIME", str(int(time.time()) + 1200))

    assert expecting(3600).pause() <= 900
    assert terminals == []


def test_a_signal_of_the_scheduler_warns_at_once_and_once(
    terminals: list[tuple[int, str]], capsys: pytest.CaptureFixture[str]
) -> None:
    warning = expecting(3600)
    warning.signalled()
    assert warning.pause() == 0
    warning.warn_if_due(os.getpid())
    warning.warn_if_due(os.getpid())

    clock = time.strftime("%H:%M", time.localtime(time.time() + 300))
    said = capsys.readouterr().out
    assert said.startswith("This notebook ends in 5 min, at ")
    # The minute may change meanwhile.
    assert clock in said or time.strftime("%H:%M", time.localtime(time.time() + 299)) in said
    assert terminals == [(os.getpid(), f"Lightship: {said.rstrip()}")]
    assert warning.pause() == float("inf")


@contextmanager
def notebook() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", NOTEBOOK], stdout=subprocess.PIPE, start_new_session=True) as process:
        try:
            assert process.stdout
            assert process.stdout.readline() == b"open\n"
            yield process
        finally:
            process.kill()


def shown(process: subprocess.Popen[bytes], words: bytes, seconds: float) -> bytes:
    """Return what the terminal shows, until the words come or the time is over."""
    assert process.stdout
    text = b""
    while words not in text and select.select([process.stdout], [], [], seconds)[0]:
        text += os.read(process.stdout.fileno(), 1000)
    return text


def test_a_notebooks_terminals_are_written_to_and_no_others() -> None:
    with notebook() as own, notebook() as other:
        assert write_to_terminals(own.pid, "Lightship: save your work.") == 1
        assert b"Lightship: save your work.\r" in shown(own, b"work.\r", 20)
        assert b"Lightship" not in shown(other, b"work.\r", 0.2)


def test_a_notebook_without_terminals_is_no_trouble() -> None:
    with subprocess.Popen(["sleep", "600"], start_new_session=True) as process:
        assert write_to_terminals(process.pid, "nobody reads this") == 0
        process.kill()


def stat(proc: Path, number: int, parent: int, session: int, terminal: int) -> Path:
    folder = proc / str(number)
    (folder / "fd").mkdir(parents=True)
    (folder / "stat").write_text(f"{number} (a) b) S {parent} {session} {session} {terminal} -1 4194304\n")
    return folder / "fd" / "0"


def test_what_is_no_terminal_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "self").mkdir()
    (tmp_path / "9" / "fd").mkdir(parents=True)  # went while it was looked at
    plain = stat(tmp_path, 20, 10, 20, 34816)
    plain.write_text("")
    stat(tmp_path, 21, 10, 21, 34817)  # closed its input
    stat(tmp_path, 22, 10, 20, 34816).write_text("")  # no shell of its own
    stat(tmp_path, 23, 24, 23, 34816).write_text("")  # a family in a circle
    stat(tmp_path, 24, 23, 24, 0).write_text("")

    assert write_to_terminals(10, "Lightship", tmp_path) == 0
    assert plain.read_text() == ""


def test_a_terminal_that_takes_nothing_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    master, slave = pty.openpty()
    stat(tmp_path, 20, 10, 20, 34816).symlink_to(os.ttyname(slave))

    def full(_descriptor: int, _text: bytes) -> int:
        raise BlockingIOError

    assert write_to_terminals(10, "Lightship", tmp_path) == 1
    monkeypatch.setattr(os, "write", full)
    assert write_to_terminals(10, "Lightship", tmp_path) == 0
    os.close(master)
    os.close(slave)
