from __future__ import annotations

import json
from pathlib import Path
from unittest.mock import Mock

import pytest

from lightship_registry.admin.status import ExitStatus
from lightship_registry.core.errors import RegistryError
from lightship_registry.core.records import Owner
from lightship_registry.core.ssh_keys import SshKey, parse
from unit.lightship_registry.admin.conftest import Desk
from unit.lightship_registry.keys import new_key
from unit.lightship_registry.testbed import Testbed, build_testbed

ALICE, BOB = Owner("demo", "alice"), Owner("demo", "bob")


@pytest.fixture
def testbed(tmp_path: Path) -> Testbed:
    return build_testbed(tmp_path, tunnels={ALICE: ("localhost:8888",)})


@pytest.fixture
def keys(testbed: Testbed, tmp_path: Path) -> list[SshKey]:
    """One of alice's, one of bob's, and one that both gave."""
    made = [parse(new_key(tmp_path, comment=comment)) for comment in ("laptop", "desk", "shared")]
    for owner, key in ((ALICE, made[0]), (BOB, made[1]), (ALICE, made[2]), (BOB, made[2])):
        testbed.tunnels.add(owner, key)
    return made


def lines(testbed: Testbed) -> list[str]:
    return (testbed.settings.folders.tunnels_dir / "authorized_keys").read_text().splitlines()


def test_it_says_whose_keys_open_what(desk: Desk, keys: list[SshKey]) -> None:
    assert desk.run("ssh-keys") == ExitStatus.OK
    rows = {tuple(line.split()[:4]) for line in desk.out.splitlines()}
    assert (keys[0].fingerprint, "alice", "demo", "localhost:8888") in rows
    assert (keys[1].fingerprint, "bob", "demo", "nowhere") in rows
    desk.run("ssh-keys", "--user", "bob", "--json")
    found = json.loads(desk.out)
    assert {key["comment"] for key in found} == {"desk", "shared"}
    assert {key["key"] for key in found} == {keys[1].text, keys[2].text}


def test_all_of_a_users_are_removed(desk: Desk, keys: list[SshKey]) -> None:
    assert desk.run("ssh-keys", "--user", "alice", "--remove", "--yes") == ExitStatus.OK
    assert "2 keys removed. Tunnels that are open stay open" in desk.err
    assert lines(desk.testbed) == []
    assert {key.user for key in desk.testbed.tunnels.kept()} == {"bob"}
    events = [json.loads(line) for line in desk.err.splitlines()[:2]]
    assert {(event["action"], event["user"], event["by"]) for event in events} == {("key-remove", "alice", "ann")}
    assert {event["reason"] for event in events} == {keys[0].fingerprint, keys[2].fingerprint}


def test_a_key_that_its_owner_takes_back_meanwhile_saves_no_other(
    desk: Desk, keys: list[SshKey], monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(_: str) -> str:
        desk.testbed.tunnels.remove(ALICE, keys[0].fingerprint)
        return "y"

    monkeypatch.setattr("click.termui.visible_prompt_func", answer)
    assert desk.run("ssh-keys", "--user", "alice", "--remove") == ExitStatus.OK
    assert lines(desk.testbed) == []
    assert {key.user for key in desk.testbed.tunnels.kept()} == {"bob"}


def test_a_lock_that_is_held_is_told(desk: Desk, keys: list[SshKey], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lightship_registry.tunnels.tunnels.Tunnels.remove", Mock(side_effect=RegistryError("held")))
    assert desk.run("ssh-keys", "--key", keys[0].fingerprint, "--remove", "--yes") == ExitStatus.FAILED
    assert "lightship: held" in desk.err


def test_one_key_is_removed_whoever_gave_it(desk: Desk, keys: list[SshKey]) -> None:
    assert desk.run("ssh-keys", "--key", keys[2].fingerprint, "--remove", "--yes") == ExitStatus.OK
    assert {key.fingerprint for key in desk.testbed.tunnels.kept()} == {keys[0].fingerprint, keys[1].fingerprint}


def test_without_a_yes_nothing_changes(desk: Desk, keys: list[SshKey], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("click.termui.visible_prompt_func", lambda _: "n")
    assert desk.run("ssh-keys", "--user", "bob", "--remove") == ExitStatus.DECLINED
    assert keys[1].fingerprint in desk.out
    assert len(desk.testbed.tunnels.kept()) == 4


@pytest.mark.usefixtures("keys")
@pytest.mark.parametrize("arguments", [["--remove"], ["--user", "bob", "--remove", "--json"]])
def test_it_must_be_said_what_to_remove(desk: Desk, arguments: list[str]) -> None:
    assert desk.run("ssh-keys", *arguments) == ExitStatus.USAGE
    assert len(desk.testbed.tunnels.kept()) == 4


def test_there_may_be_none(desk: Desk) -> None:
    assert desk.run("ssh-keys") == ExitStatus.OK
    assert desk.out == "No user has given a key.\n"
    desk.run("ssh-keys", "--user", "alice", "--remove")
    assert desk.out == "There is no such key.\n"


def test_an_unknown_key_is_an_error(desk: Desk, keys: list[SshKey]) -> None:
    assert desk.run("ssh-keys", "--key", keys[0].fingerprint[:-1], "--remove", "--yes") == ExitStatus.NOT_FOUND
    assert "There is no key 'SHA256:" in desk.err
    assert len(desk.testbed.tunnels.kept()) == 4
