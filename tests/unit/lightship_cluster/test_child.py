"""What cannot be seen from the whole job's tests: a program that this user may not signal."""

from __future__ import annotations

import os
import time

import pytest

from lightship_cluster import child
from lightship_cluster.child import Child
from lightship_cluster.environments.base import Start


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
