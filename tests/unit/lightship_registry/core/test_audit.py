from __future__ import annotations

import json

import pytest

from lightship_registry.core import audit


def test_one_line_of_json_without_empty_parts(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    audit.record(audit.Event("create", "ok", cluster="demo", user="alice", link="one-two-three"))
    assert json.loads(caplog.messages[0]) == {
        "event": "audit",
        "action": "create",
        "result": "ok",
        "cluster": "demo",
        "user": "alice",
        "link": "one-two-three",
    }


def test_no_text_breaks_out_of_its_line(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    audit.record(audit.Event("end", "ok", reason='a\n{"event":"audit"}\x1b[31m\u2028'))
    assert caplog.messages[0].isprintable()
    assert caplog.messages[0].isascii()


def test_goes_to_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    audit.set_up()
    audit.notice("hello")
    audit.problem("oh")
    assert [json.loads(line)["event"] for line in capsys.readouterr().out.splitlines()] == ["notice", "problem"]
