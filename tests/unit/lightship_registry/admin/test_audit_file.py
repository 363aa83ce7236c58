"""What administrators do is in the audit's file too, which is the service's own."""

from __future__ import annotations

import json

from unit.lightship_registry.admin.conftest import Desk


def test_the_command_writes_to_the_same_file(desk: Desk) -> None:
    path = desk.config.parent / "audit.jsonl"
    made = desk.published("alice")
    assert desk.run("revoke", made["name"], "--yes") == 0
    assert desk.run("keys", "rotate", "demo") == 0
    assert desk.run("keys", "revoke", "other", "--yes") == 0
    assert desk.run("backup", str(desk.config.parent / "backup.tgz")) == 0
    lines = [json.loads(line) for line in path.read_text("ascii").splitlines()]
    assert [(line["action"], line["result"], line["by"]) for line in lines] == [
        ("revoke", "ok", "ann"),
        ("rotate-key", "ok", "ann"),
        ("revoke-key", "ok", "ann"),
        ("backup", "ok", "ann"),
    ]
    assert (lines[0]["user"], lines[0]["link"], lines[0]["target"]) == ("alice", made["name"], "10.1.2.3:4567")
    assert path.stat().st_uid == desk.testbed.settings.folders.state_dir.stat().st_uid


def test_the_command_works_without_it(desk: Desk) -> None:
    (desk.config.parent / "audit.jsonl").mkdir()
    made = desk.published("alice")
    assert desk.run("revoke", made["name"], "--yes") == 0
    assert "cannot be written" in desk.err
