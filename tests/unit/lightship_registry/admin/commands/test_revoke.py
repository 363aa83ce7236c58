from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from lightship_protocol.states import READY
from lightship_registry.admin.status import ExitStatus
from lightship_registry.core.errors import RegistryError
from unit.lightship_registry.admin.conftest import Desk
from unit.lightship_registry.store.test_sqlite_writing import after_a_crash
from unit.lightship_registry.testbed import DOMAIN

SCRIPTS = Path(__file__).parents[5] / "scripts"
COMMAND = "import sys; from lightship_registry.admin.cli import main; sys.exit(main(sys.argv[1:]))"


def test_a_revoked_link_has_no_route_and_its_connections_are_cut(desk: Desk) -> None:
    made, other = desk.published(), desk.published("bob", 4568)
    assert desk.run("revoke", made["name"], "--reason", "Call us.", "--yes") == ExitStatus.OK
    assert desk.out == "1 link revoked.\n"
    assert desk.testbed.routes.keys() == {other["name"]}
    assert desk.orders == {made["name"]: "10.1.2.3:4567\n"}
    status = desk.testbed.status(made)
    assert (status["state"], status["cause"], status["reason"]) == ("ended", "revoked", "Call us.")
    assert desk.testbed.job(made, "heartbeat").status_code == 410


def test_the_audit_says_who_did_it(desk: Desk) -> None:
    made = desk.published()
    desk.run("revoke", made["name"], "--yes")
    event = json.loads(desk.err.splitlines()[0])
    assert event["action"], event["by"] == ("revoke", "ann")
    assert (event["link"], event["user"], event["target"]) == (made["name"], "alice", "10.1.2.3:4567")
    assert made["secret"] not in desk.err


def test_damage_in_the_stores_log_brings_no_revoked_link_back(desk: Desk, tmp_path: Path) -> None:
    made, other = desk.published(), desk.published("bob", 4568)
    assert desk.testbed.database.settle()
    assert desk.run("revoke", made["name"], "--yes") == ExitStatus.OK
    states = after_a_crash(desk.testbed, tmp_path / "copy")
    assert (states[made["name"]], states[other["name"]]) == ("ended", "ready")


def test_a_revocation_that_is_in_the_log_alone_is_said_to_be(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    made = desk.published()
    monkeypatch.setattr("lightship_registry.store.database.Database.settle", lambda _store: False)
    assert desk.run("revoke", made["name"], "--yes") == ExitStatus.OK
    assert "Done, but another program reads the store" in desk.err


def test_links_are_revoked_by_user_cluster_or_altogether(desk: Desk) -> None:
    for user in ("alice", "alice", "bob", "carol"):
        desk.testbed.create(user)
    desk.run("revoke", "--user", "alice", "--cluster", "other", "--yes")
    assert desk.out.startswith("0 links")
    desk.run("revoke", "--user", "alice", "--yes", "--json")
    assert len(json.loads(desk.out)["revoked"]) == 2
    desk.run("revoke", "--everything", "--yes")
    assert desk.out == "2 links revoked.\n"
    desk.run("revoke", "--cluster", "demo", "--yes")
    assert desk.out == "0 links revoked.\n"


def test_without_a_yes_nothing_changes(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    made = desk.published()
    monkeypatch.setattr("click.termui.visible_prompt_func", lambda _: "n")
    assert desk.run("revoke", "--everything") == ExitStatus.DECLINED
    assert made["name"] in desk.out
    assert desk.testbed.status(made)["state"] == READY
    monkeypatch.setattr("click.termui.visible_prompt_func", lambda _: "y")
    assert desk.run("revoke", "--everything") == ExitStatus.OK
    assert desk.testbed.routes == {}


def test_an_ending_of_its_own_stays(desk: Desk) -> None:
    made = desk.published()
    desk.testbed.job(made, "end", {"cause": "stopped"})
    assert desk.run("revoke", made["name"]) == ExitStatus.OK
    assert desk.out == "0 links revoked.\n"
    assert desk.testbed.status(made)["cause"] == "stopped"


def test_one_unknown_name_and_none_is_revoked(desk: Desk) -> None:
    made = desk.published()
    assert desk.run("revoke", made["name"], "one-two-three", "--yes") == ExitStatus.NOT_FOUND
    assert desk.testbed.status(made)["state"] == READY


@pytest.mark.parametrize(
    "arguments", [(), ("one-two-three", "--user", "alice"), ("--everything", "--user", "x"), ("--everything", "--json")]
)
def test_unclear_orders_are_refused(desk: Desk, arguments: tuple[str, ...]) -> None:
    assert desk.run("revoke", *arguments) == ExitStatus.USAGE


def test_a_revoke_by_another_process_in_the_middle_of_a_publish_leaves_no_route(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command runs between the two halves of a publish: the store has the target, the route is not yet written."""
    made = desk.testbed.create(seconds=7200)
    desk.testbed.claim(made)
    link = desk.testbed.links.of_secret(made["name"], made["secret"])
    write, halfway = desk.testbed.parts.routes.write, threading.Event()

    def slow(name: str, route: str) -> None:
        halfway.set()
        time.sleep(2.5)
        write(name, route)

    monkeypatch.setattr(desk.testbed.parts.routes, "write", slow)
    publisher = threading.Thread(target=desk.testbed.publisher.publish, args=(link, "10.1.2.3:4567"))
    publisher.start()
    assert halfway.wait(10)
    arguments = ["--config", str(desk.config), "revoke", made["name"], "--yes"]
    done = subprocess.run(
        [sys.executable, "-c", COMMAND, *arguments], cwd=SCRIPTS, capture_output=True, text=True, check=False
    )
    publisher.join()
    assert done.returncode == 0, done.stderr
    assert desk.testbed.status(made)["cause"] == "revoked"
    assert desk.testbed.routes == {}, f"a revoked link of {DOMAIN} has a route"
    assert desk.orders == {made["name"]: "10.1.2.3:4567\n"}


def test_a_publish_after_a_revoke_by_another_process_is_refused(desk: Desk) -> None:
    made = desk.testbed.create(seconds=7200)
    desk.testbed.claim(made)
    link = desk.testbed.links.of_secret(made["name"], made["secret"])
    desk.run("revoke", made["name"], "--yes")
    with pytest.raises(RegistryError, match="has ended"):
        desk.testbed.publisher.publish(link, "10.1.2.3:4567")
    assert desk.testbed.routes == {}
