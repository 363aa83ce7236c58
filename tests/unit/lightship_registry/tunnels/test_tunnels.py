"""Users' keys for tunnels, from the API to the file that sshd reads."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import httpx
import pytest
from sqlalchemy import update

from lightship_registry.core.records import Owner
from lightship_registry.core.ssh_keys import parse
from lightship_registry.store.schema import ssh_keys
from lightship_registry.store.ssh_keys import SshKeyStore
from lightship_registry.tunnels.tunnels import MOST_KEYS
from unit.lightship_registry.keys import new_key
from unit.lightship_registry.testbed import Testbed, both_databases, build_testbed

DESTINATION = "lightship-tunnel@proxy.test"
PLACES = {
    Owner("demo", "alice"): ("localhost:8888", "127.0.0.1:8888"),
    Owner("demo", "bob"): ("localhost:9999",),
}


@pytest.fixture
def testbed(tmp_path: Path, store_url: str) -> Iterator[Testbed]:
    testbed = build_testbed(tmp_path, store_url=store_url, tunnels=PLACES, tunnel_destination=DESTINATION)
    yield testbed
    testbed.engine.dispose()


@pytest.fixture
def line(tmp_path: Path) -> str:
    return new_key(tmp_path)


def add(testbed: Testbed, line: str, user: str = "alice") -> httpx.Response:
    return testbed.agent("POST", "/v1/keys", {"user": user, "key": line})


def remove(testbed: Testbed, fingerprint: str, user: str = "alice") -> httpx.Response:
    return testbed.agent("POST", "/v1/keys/remove", {"user": user, "fingerprint": fingerprint})


def listed(testbed: Testbed, user: str = "alice") -> dict[str, Any]:
    answer = testbed.agent("GET", f"/v1/keys?user={user}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def file_of(testbed: Testbed) -> Path:
    return testbed.settings.folders.tunnels_dir / "authorized_keys"


def test_a_key_opens_its_owners_places_and_nothing_else(testbed: Testbed, line: str) -> None:
    assert not file_of(testbed).exists()
    answer = add(testbed, line)
    assert answer.status_code == 200
    key = parse(line)
    kept = {
        "fingerprint": key.fingerprint,
        "type": "ssh-ed25519",
        "comment": "alice@laptop",
        "added": int(testbed.clock()),
    }
    assert answer.json() == listed(testbed)
    assert listed(testbed) == {
        "keys": [kept],
        "listen": ["localhost:8888", "127.0.0.1:8888"],
        "destination": DESTINATION,
    }
    opens = 'restrict,port-forwarding,permitlisten="localhost:8888",permitlisten="127.0.0.1:8888"'
    assert file_of(testbed).read_text() == f"{opens} {key.text}\n"
    assert file_of(testbed).stat().st_mode & 0o777 == 0o644


def test_a_key_that_is_removed_opens_nothing(testbed: Testbed, line: str) -> None:
    add(testbed, line)
    assert remove(testbed, parse(line).fingerprint).json()["keys"] == []
    assert file_of(testbed).read_text() == ""
    again = remove(testbed, parse(line).fingerprint)
    assert (again.status_code, again.json()["code"]) == (404, "no-such-key")


def test_nobody_sees_or_removes_anothers(testbed: Testbed, line: str) -> None:
    add(testbed, line)
    assert listed(testbed, "bob")["keys"] == []
    assert remove(testbed, parse(line).fingerprint, "bob").status_code == 404
    body = b'{"user": "alice", "fingerprint": "%s"}' % parse(line).fingerprint.encode()
    headers = testbed.signed("POST", "/v1/keys/remove", body, "other")
    assert testbed.send("POST", "/v1/keys/remove", headers=headers, content=body).status_code == 404
    assert len(listed(testbed)["keys"]) == 1


def test_anothers_public_key_takes_no_place_from_its_owner(testbed: Testbed, line: str) -> None:
    # Bob gives alice's key first: sshd looks at the first line of a key alone.
    add(testbed, line, "bob")
    add(testbed, line, "alice")
    (opens,) = file_of(testbed).read_text().splitlines()
    for place in ("localhost:8888", "127.0.0.1:8888", "localhost:9999"):
        assert f'permitlisten="{place}"' in opens
    remove(testbed, parse(line).fingerprint, "bob")
    assert "9999" not in file_of(testbed).read_text()


def test_a_user_without_a_place_may_have_keys_that_open_nothing(testbed: Testbed, line: str) -> None:
    answer = add(testbed, line, "carol")
    assert (answer.status_code, answer.json()["listen"]) == (200, [])
    assert file_of(testbed).read_text() == ""


def test_where_nobody_may_open_a_tunnel_nothing_is_written(tmp_path: Path, line: str) -> None:
    (tmp_path / "plain").mkdir()
    testbed = build_testbed(tmp_path / "plain")
    testbed.settings.folders.tunnels_dir.rmdir()
    assert add(testbed, line).status_code == 200
    testbed.sweeper().sweep()


def test_the_same_key_again_has_its_new_comment(testbed: Testbed, line: str) -> None:
    add(testbed, line)
    testbed.clock.now += 100
    (kept,) = add(testbed, f"{parse(line).text} desk").json()["keys"]
    assert (kept["comment"], kept["added"]) == ("desk", int(testbed.clock()) - 100)


def test_there_is_a_limit_for_each_user(testbed: Testbed, tmp_path: Path) -> None:
    lines = [new_key(tmp_path) for _ in range(MOST_KEYS + 1)]
    assert {add(testbed, line).status_code for line in lines[:MOST_KEYS]} == {200}
    over = add(testbed, lines[-1])
    assert (over.status_code, over.json()["code"]) == (429, "too-many-keys")
    assert add(testbed, lines[0]).status_code == 200
    assert add(testbed, lines[-1], "bob").status_code == 200


def test_what_is_no_key_changes_nothing(testbed: Testbed) -> None:
    answer = add(testbed, 'command="id" ssh-ed25519 AAAA')
    assert (answer.status_code, answer.json()["code"]) == (422, "bad-key")
    assert listed(testbed)["keys"] == []


def test_it_needs_a_signature(testbed: Testbed) -> None:
    for method, path in (("GET", "/v1/keys?user=alice"), ("POST", "/v1/keys"), ("POST", "/v1/keys/remove")):
        assert testbed.send(method, path).status_code == 403


def test_each_change_is_in_the_audit_with_its_key(
    testbed: Testbed, line: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "lightship.audit")
    add(testbed, line)
    remove(testbed, parse(line).fingerprint)
    told = caplog.text
    for action in ("key-add", "key-remove"):
        assert f'"action": "{action}", "result": "ok"' in told
    assert told.count(parse(line).fingerprint) == 2


def test_the_sweeper_makes_the_file_what_the_store_says(testbed: Testbed, line: str) -> None:
    add(testbed, line)
    before = file_of(testbed).read_text()
    file_of(testbed).write_text("ssh-ed25519 AAAA\n")
    testbed.sweeper().sweep()
    assert file_of(testbed).read_text() == before
    file_of(testbed).unlink()
    testbed.sweeper().sweep()
    assert file_of(testbed).read_text() == before


def test_a_key_stays_known_until_no_file_has_it(
    testbed: Testbed, line: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    add(testbed, line)
    with monkeypatch.context() as patch:
        patch.setattr(
            "lightship_registry.tunnels.tunnels.write_beside", Mock(side_effect=OSError(errno.ENOSPC, "No space"))
        )
        assert remove(testbed, parse(line).fingerprint).status_code == 500
        assert len(listed(testbed)["keys"]) == 1
    assert "The disk is full" in caplog.text
    assert remove(testbed, parse(line).fingerprint).status_code == 200
    assert file_of(testbed).read_text() == ""


def test_a_key_that_the_store_could_not_forget_opens_its_places_again(testbed: Testbed, line: str) -> None:
    add(testbed, line)
    before = file_of(testbed).read_text()
    with testbed.engine.begin() as connection:
        refuse = "BEGIN SELECT RAISE(ABORT, 'no'); END"
        connection.exec_driver_sql(f"CREATE TRIGGER no BEFORE DELETE ON ssh_keys {refuse}")
    assert remove(testbed, parse(line).fingerprint).status_code == 500
    testbed.sweeper().sweep()
    assert len(listed(testbed)["keys"]) == 1
    assert file_of(testbed).read_text() == before


def test_a_file_that_cannot_be_written_stops_no_round(
    testbed: Testbed, line: str, caplog: pytest.LogCaptureFixture
) -> None:
    add(testbed, line)
    file_of(testbed).unlink()
    file_of(testbed).mkdir()
    testbed.sweeper().sweep()
    assert "could not be written as the store says" in caplog.text


@both_databases
def test_keys_that_open_nothing_are_not_read_for_the_file(
    testbed: Testbed, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = SshKeyStore(testbed.database)
    for cluster, user in (("demo", "alice"), ("other", "alice"), ("demo", "carol")):
        store.add(Owner(cluster, user), parse(line), testbed.clock(), MOST_KEYS)
    assert [key.owner for key in store.of(PLACES)] == [Owner("demo", "alice")]
    assert store.of([]) == []
    # A cluster may give any number of keys for users whom nobody knows.
    monkeypatch.setattr(SshKeyStore, "find", Mock(side_effect=AssertionError("reads all")))
    testbed.tunnels.reconcile()
    assert file_of(testbed).read_text().count(parse(line).text) == 1


def test_a_row_that_a_disk_changed_opens_nothing(testbed: Testbed, line: str) -> None:
    add(testbed, line)
    with testbed.engine.begin() as connection:
        connection.execute(update(ssh_keys).values(key=f"{parse(line).text}\nssh-ed25519 AAAA"))
    testbed.sweeper().sweep()
    assert file_of(testbed).read_text() == ""


def test_a_folder_that_is_missing_stops_nothing_else(
    testbed: Testbed, line: str, caplog: pytest.LogCaptureFixture
) -> None:
    testbed.settings.folders.tunnels_dir.rmdir()
    assert add(testbed, line).status_code == 500
    testbed.sweeper().sweep()
    assert "is missing, so no key opens a tunnel" in caplog.text
    testbed.settings.folders.tunnels_dir.mkdir()
    testbed.sweeper().sweep()
    assert parse(line).text in file_of(testbed).read_text()
