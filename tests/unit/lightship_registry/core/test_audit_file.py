from __future__ import annotations

import json
import os
import re
import stat
from pathlib import Path
from typing import Any

import pytest

from lightship_registry.core import audit, audit_file
from unit.lightship_registry.testbed import Testbed

EVENT = audit.Event("create", "ok", cluster="demo", user="alice", link="one-two-three", address="10.1.2.3")


@pytest.fixture
def path(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Path:
    caplog.set_level("INFO")
    path = tmp_path / "log" / "audit.jsonl"
    path.parent.mkdir()
    audit.keep_in(path)
    return path


def lines(path: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in path.read_text("ascii").splitlines() if line]


def told(caplog: pytest.LogCaptureFixture, event: str) -> list[str]:
    return [line["reason"] for line in map(json.loads, caplog.messages) if line["event"] == event]


def test_an_event_is_a_line_with_its_time(path: Path) -> None:
    audit.record(EVENT)
    (line,) = lines(path)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line.pop("time"))
    assert line == {
        "action": "create",
        "result": "ok",
        "cluster": "demo",
        "user": "alice",
        "link": "one-two-three",
        "address": "10.1.2.3",
    }
    assert audit_file.stamp(0.0004) == "1970-01-01T00:00:00.000Z"


def test_only_the_group_may_read_it_whatever_the_umask(path: Path) -> None:
    for mask in (0o077, 0o000):
        before = os.umask(mask)
        try:
            audit.record(EVENT)
        finally:
            os.umask(before)
        assert stat.S_IMODE(path.stat().st_mode) == 0o640
        path.unlink()


def test_what_was_written_before_stays(path: Path) -> None:
    path.write_text('{"action": "older"}\n')
    path.chmod(0o600)
    audit.record(EVENT)
    assert [line["action"] for line in lines(path)] == ["older", "create"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600, "who made the file chose its mode"


@pytest.mark.parametrize("anew", [True, False])
def test_after_a_rotation_it_goes_on_in_the_new_file(path: Path, *, anew: bool) -> None:
    audit.record(EVENT)
    old = path.rename(path.with_name("audit.jsonl-20260101"))
    if anew:
        path.touch()
    audit.record(EVENT)
    audit.record(EVENT)
    assert (len(lines(old)), len(lines(path))) == (1, 2)


def test_a_file_that_cannot_be_written_is_told_once_and_when_it_can_be_again(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path.parent.rmdir()
    for _ in range(3):
        audit.record(EVENT)
    (problem,) = told(caplog, "problem")
    assert f"{path} cannot be written: No such file or directory" in problem
    path.parent.mkdir()
    audit.record(EVENT)
    assert told(caplog, "notice") == [f"{path} is written again; 3 events are in the journal only."]
    assert len(lines(path)) == 1
    assert len([line for line in caplog.messages if '"audit"' in line]) == 4


def test_another_trouble_is_told_too(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path.mkdir()
    audit.record(EVENT)
    path.rmdir()
    os.mkfifo(path)
    audit.record(EVENT)
    path.unlink()
    path.symlink_to("/etc/passwd")
    audit.record(EVENT)
    assert len(told(caplog, "problem")) == 3


def test_a_full_disk_tears_one_line_and_no_other(
    path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, text: write(descriptor, text[:7]))
    audit.record(EVENT)
    assert "No space left on device" in told(caplog, "problem")[0]
    monkeypatch.setattr(os, "write", _full)
    audit.record(EVENT)
    monkeypatch.undo()
    audit.record(EVENT)
    assert json.loads(path.read_text().splitlines()[-1])["action"] == "create"
    assert len(path.read_text().splitlines()) == 2


def _full(*_: Any) -> int:
    raise OSError(28, "No space left on device")


def test_strangers_cannot_fill_the_disk(
    path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_file, "MOST_STRANGERS", 3)
    for _ in range(7):
        audit.record(audit.Event("claim", "refused", address="192.0.2.1"))
    audit.record(audit.Event("job", "refused", cluster="demo"))
    audit.record(EVENT)
    assert [line["action"] for line in lines(path)] == ["claim"] * 3 + ["job", "create"]
    assert len(told(caplog, "notice")) == 1


def test_requests_are_in_it_without_any_secret(testbed: Testbed, path: Path) -> None:
    made = testbed.create(token_sha256="ab" * 32)
    testbed.job({**made, "secret": "0" * 64}, "claim")
    testbed.job(made, "end", {"cause": "stopped", "reason": "over", "tail": "token=private"})
    text = path.read_text()
    assert [line["result"] for line in lines(path)] == ["ok", "refused", "ok"]
    for secret in (made["secret"], "ab" * 32, "0" * 64, "private"):
        assert secret not in text


def test_what_the_service_ends_by_itself_says_whose_it_was(testbed: Testbed, path: Path) -> None:
    made = testbed.create()
    testbed.clock.now += 3600 * 169
    testbed.reconciler.end_due(spare_silent=True)
    line = lines(path)[-1]
    assert (line["action"], line["link"], line["cluster"], line["user"]) == ("end", made["name"], "demo", "alice")


def test_requests_go_on_without_it(testbed: Testbed, path: Path) -> None:
    path.parent.rmdir()
    assert testbed.status(testbed.create())["state"] == "waiting"


def test_one_handler_at_a_time(path: Path, tmp_path: Path) -> None:
    audit.keep_in(tmp_path / "other.jsonl")
    audit.record(EVENT)
    audit.keep_in(None)
    audit.record(EVENT)
    assert not path.exists()
    assert len(lines(tmp_path / "other.jsonl")) == 1
