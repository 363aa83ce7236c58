"""Real terminals of real processes."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lightship_cluster.job.terminals import write_to_terminals

# A notebook's part: it starts a shell in a terminal of its own, as Jupyter does, and hands the other end to nobody.
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
    """What the terminal shows until the words come, or until nothing more does."""
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
