from __future__ import annotations

import json

import pytest

from lightship_registry.admin.output import print_table
from lightship_registry.admin.status import ExitStatus
from lightship_registry.core.records import LinkRequest, Owner
from unit.lightship_registry.admin.conftest import Desk


def test_live_links_are_listed_and_ended_ones_when_asked_for(desk: Desk) -> None:
    live, waiting, ended = desk.published(), desk.testbed.create("bob"), desk.testbed.create("carol")
    desk.testbed.job(ended, "end")
    assert desk.run("links") == ExitStatus.OK
    assert live["name"] in desk.out
    assert waiting["name"] in desk.out
    assert ended["name"] not in desk.out
    desk.run("links", "--all")
    assert ended["name"] in desk.out
    desk.run("links", "--state", "waiting", "--state", "ended", "--json")
    assert {link["name"] for link in json.loads(desk.out)} == {waiting["name"], ended["name"]}


def test_links_are_chosen_by_user_and_cluster(desk: Desk) -> None:
    desk.published()
    bobs = desk.testbed.create("bob")
    desk.run("links", "--user", "bob", "--json")
    assert [link["name"] for link in json.loads(desk.out)] == [bobs["name"]]
    desk.run("links", "--cluster", "other")
    assert "no such link" in desk.out


def test_a_link_of_the_is_marked(desk: Desk) -> None:
    link, _ = desk.testbed.parts.satellite_links.create(Owner("demo", "satellite:10.1.0.1"), LinkRequest(60))
    desk.published()
    desk.run("links")
    (line,) = [line for line in desk.out.splitlines() if link.name in line]
    assert "satellite:10.1.0.1" in line
    desk.run("links", "--user", "satellite:10.1.0.1", "--json")
    assert [(found["name"], found["api"]) for found in json.loads(desk.out)] == [(link.name, "satellite")]
    desk.run("show", link.name)
    assert "satellite" in desk.out
    assert desk.run("revoke", link.name, "--yes") == ExitStatus.OK


def test_a_long_list_says_that_there_is_more(desk: Desk) -> None:
    for _ in range(3):
        desk.testbed.create()
    desk.run("links", "--limit", "2")
    assert "more than these 2" in desk.out


def test_everything_but_secrets_is_shown(desk: Desk) -> None:
    made = desk.published()
    assert desk.run("show", made["name"]) == ExitStatus.OK
    assert "10.1.2.3:4567" in desk.out
    secret = desk.testbed.links.of_secret(made["name"], made["secret"]).secret_sha256
    assert desk.run("show", made["name"], "--json") == ExitStatus.OK
    shown = json.loads(desk.out)
    assert (shown["route"], shown["target"], shown["user"]) == (True, "10.1.2.3:4567", "alice")
    assert secret not in desk.out
    assert not [key for key in shown if "secret" in key or "token" in key]


@pytest.mark.parametrize("name", ["one-two-three", "../../etc/passwd", ""])
def test_an_unknown_link_has_a_status_of_its_own(desk: Desk, name: str) -> None:
    assert desk.run("show", name) == ExitStatus.NOT_FOUND
    assert "There is no link" in desk.err


def test_what_users_typed_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(["A"], [["[bold]x\x1b[2J\x07\u202e"]])
    assert "[bold]x?[2J??" in capsys.readouterr().out


def test_a_listing_fits_80_columns(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lightship_registry.admin.output.PIPE_WIDTH", 80)
    made = desk.published("a-user-with-a-rather-long-name")
    desk.run("links")
    assert all(len(line) <= 80 for line in desk.out.splitlines())
    assert made["name"] in desk.out
