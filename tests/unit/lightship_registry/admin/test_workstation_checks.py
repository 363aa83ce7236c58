"""What the doctor says of the certificates that workstations have of their own."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from lightship_registry.admin import workstation_checks
from lightship_registry.admin.checks import OK, WARNING, Finding
from support.certificate_pairs import made_certificate

NAME = "ws1.notebooks.example.org"
TOLD = {"reason": "rate-limited", "sentence": "The authority was asked too often (429).", "remedy": "Wait."}


@pytest.fixture
def found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], list[Finding]]:
    """Return the function that looks at a site whose service ended in a way."""
    monkeypatch.setattr(workstation_checks, "FAILURES", tmp_path)
    monkeypatch.setattr(workstation_checks, "PUBLIC", tmp_path / "public")

    def looked(result: str) -> list[Finding]:
        state = {"LoadState": "loaded", "Result": result} if result else {"LoadState": "not-found"}
        monkeypatch.setattr(workstation_checks, "unit", lambda *_: state)
        return list(workstation_checks.certificates())

    return looked


def test_a_site_without_workstations_hears_nothing(found: Callable[[str], list[Finding]]) -> None:
    assert found("") == []


def test_all_is_well(found: Callable[[str], list[Finding]], tmp_path: Path) -> None:
    assert [each.level for each in found("success")] == [OK]
    chain = made_certificate("ws1", now=dt.datetime.now(tz=dt.UTC), names=(NAME,)).pem
    (tmp_path / "public").write_text(json.dumps({NAME: chain}))
    assert [each.level for each in found("success")] == [OK]


def test_each_one_that_failed_is_named_with_what_to_do(found: Callable[[str], list[Finding]], tmp_path: Path) -> None:
    (tmp_path / f"{NAME}.json").write_text(json.dumps(TOLD))
    (tmp_path / "ws2.example.net.json").write_text("damaged")
    first, second = found("exit-code")
    assert (first.level, first.remedy, first.reason, first.workstation) == (WARNING, "Wait.", "rate-limited", NAME)
    assert first.what == f"the last renewal of the certificate of {NAME} failed: {TOLD['sentence']}"
    assert (second.reason, second.workstation) == ("unknown", "ws2.example.net")
    # What an earlier run left counts no more.
    assert [each.level for each in found("success")] == [OK]


def test_a_service_that_systemd_ended_is_noticed(found: Callable[[str], list[Finding]]) -> None:
    (only,) = found("oom-kill")
    assert "failed: oom-kill" in only.what


def test_one_that_ends_soon_is_named(found: Callable[[str], list[Finding]], tmp_path: Path) -> None:
    chain = made_certificate("ws1", now=dt.datetime.now(tz=dt.UTC), names=(NAME,), begins=-80, ends=10).pem
    (tmp_path / "public").write_text(json.dumps({NAME: chain}))
    (only,) = found("success")
    assert f"the certificate of {NAME} lasts" in only.what
    (tmp_path / "public").write_text("[")
    (only,) = found("success")
    assert "cannot be read" in only.what
