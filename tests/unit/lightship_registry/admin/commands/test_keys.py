from __future__ import annotations

import hashlib
import json
import os
import stat

import pytest

from lightship_registry.admin.cluster_keys import ClusterKeys
from lightship_registry.admin.status import ExitStatus
from unit.lightship_registry.admin.conftest import Desk


def keys(desk: Desk) -> ClusterKeys:
    return ClusterKeys(desk.testbed.settings.folders.clusters_dir, "demo")


def ping(desk: Desk, key: str) -> int:
    path = keys(desk).path
    kept = path.read_text() if path.exists() else None
    # The agent of the tests signs with what it finds there.
    path.write_text(key)
    headers = desk.testbed.signed("GET", "/v1/ping", b"")
    path.unlink()
    if kept is not None:
        path.write_text(kept)
    return desk.testbed.send("GET", "/v1/ping", headers=headers).status_code


def test_after_a_rotation_both_keys_count_until_the_overlap_ends(desk: Desk) -> None:
    old = keys(desk).path.read_text()
    assert desk.run("keys", "rotate", "demo", "--overlap", "2") == ExitStatus.OK
    new = keys(desk).path.read_text()
    assert new != old
    assert (ping(desk, old), ping(desk, new), ping(desk, "00" * 32)) == (200, 200, 403)
    desk.testbed.clock.now += 2 * 3600 + 5
    assert (ping(desk, old), ping(desk, new)) == (403, 200)


def test_no_key_is_printed_and_what_is_next_is_said(desk: Desk) -> None:
    old = keys(desk).path.read_text().strip()
    desk.run("keys", "rotate", "demo")
    for key in (old, keys(desk).path.read_text().strip()):
        assert key not in desk.out + desk.err
    assert "ansible-playbook clusters.yml" in desk.out
    assert hashlib.sha256(keys(desk).path.read_bytes()).hexdigest() in desk.out


def test_the_files_are_for_root_and_the_service_only(desk: Desk) -> None:
    desk.run("keys", "rotate", "demo")
    group = desk.testbed.settings.folders.state_dir.stat().st_gid
    for path in (keys(desk).path, keys(desk).old_path):
        seen = path.stat()
        assert (stat.S_IMODE(seen.st_mode), seen.st_gid, seen.st_uid) == (0o640, group, os.geteuid())


def test_a_second_rotation_would_drop_a_key_that_a_login_node_may_have(desk: Desk) -> None:
    desk.run("keys", "rotate", "demo")
    before = keys(desk).path.read_text()
    assert desk.run("keys", "rotate", "demo") == ExitStatus.FAILED
    assert "--overlap 0" in desk.err
    assert keys(desk).path.read_text() == before
    assert desk.run("keys", "rotate", "demo", "--overlap", "0") == ExitStatus.OK
    assert not keys(desk).old_path.exists()
    assert ping(desk, before) == 403


def test_the_old_key_ends_when_every_login_node_has_the_new_one(desk: Desk) -> None:
    old = keys(desk).path.read_text()
    desk.run("keys", "rotate", "demo")
    new = keys(desk).path.read_text()
    assert desk.run("keys", "finish", "demo") == ExitStatus.OK
    assert "counts no more" in desk.out
    assert (ping(desk, old), ping(desk, new)) == (403, 200)
    assert desk.run("keys", "finish", "demo") == ExitStatus.OK
    assert "has no old key" in desk.out


def test_a_revoked_cluster_is_refused_with_either_key(desk: Desk) -> None:
    old = keys(desk).path.read_text()
    desk.run("keys", "rotate", "demo")
    new = keys(desk).path.read_text()
    assert desk.run("keys", "revoke", "demo", "--yes") == ExitStatus.OK
    assert not keys(desk).path.exists()
    assert not keys(desk).old_path.exists()
    assert (ping(desk, old), ping(desk, new)) == (403, 403)
    assert desk.run("keys", "revoke", "demo", "--yes") == ExitStatus.OK
    assert "had no key" in desk.out


def test_revoking_a_key_asks_first(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("click.termui.visible_prompt_func", lambda _: "n")
    assert desk.run("keys", "revoke", "demo") == ExitStatus.DECLINED
    assert keys(desk).path.exists()


def test_fingerprints_are_what_sha256sum_says(desk: Desk) -> None:
    keys(desk).path.write_text("ab" * 32 + "\n")
    desk.run("keys", "show-fingerprint", "--json")
    assert json.loads(desk.out)["demo"] == hashlib.sha256(keys(desk).path.read_bytes()).hexdigest()
    assert desk.run("keys", "show-fingerprint", "nowhere") == ExitStatus.NOT_FOUND
    assert "demo, other" in desk.err


@pytest.mark.parametrize("content", ["", "ab" * 32, "ab" * 32 + "\nsoon\n", "zz" * 32 + "\n9999999999\n", "\udcff 1"])
def test_a_broken_old_key_counts_for_nothing(desk: Desk, content: str) -> None:
    keys(desk).old_path.write_bytes(content.encode("utf-8", "surrogateescape"))
    assert ping(desk, "ab" * 32) == 403
    assert ping(desk, keys(desk).path.read_text()) == 200


def test_clusters_say_what_they_have(desk: Desk) -> None:
    desk.published()
    desk.run("keys", "revoke", "other", "--yes")
    assert desk.run("clusters", "--json") == ExitStatus.OK
    demo, other = json.loads(desk.out)
    assert (demo["name"], demo["networks"], demo["key"], demo["live"]) == ("demo", ["127.0.0.0/8"], True, 1)
    assert demo["last_created"] > 0
    assert (other["key"], other["live"], other["last_created"]) == (False, 0, 0)
    desk.run("clusters")
    assert "none" in desk.out
