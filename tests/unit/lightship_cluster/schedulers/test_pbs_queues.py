"""Which queues take a job. OpenPBS 23.06.06 refused the same jobs as these tests."""

from __future__ import annotations

import grp
import socket
from pathlib import Path
from typing import Any, ClassVar

import pytest

from lightship_cluster.core.errors import ExitStatus, LightshipError
from lightship_cluster.schedulers import pbs_queues
from lightship_cluster.schedulers.base import Resources
from lightship_cluster.schedulers.pbs import Pbs
from lightship_cluster.schedulers.pbs_records import Question
from lightship_cluster.schedulers.torque import Torque
from unit.lightship_cluster.schedulers import recorded

pytestmark = pytest.mark.usefixtures("command")

QUEUES = Question(recorded.DELIMITER).records(recorded.printed("queues", "queues"), "Queue")


@pytest.fixture(autouse=True)
def alice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pbs_queues, "_me", lambda: ("alice", {"alice"}))


def refusal_of(**asked: Any) -> str:
    with pytest.raises(LightshipError) as refused:
        check(**asked)
    assert refused.value.status is ExitStatus.PARTITION
    return refused.value.sentence


def check(**asked: Any) -> None:
    pbs_queues.check(QUEUES, Resources(**{"minutes": 30, **asked}))


@pytest.mark.parametrize(
    "asked",
    [
        {"partition": "workq", "minutes": 10**5},
        {"partition": "compute"},
        {"partition": "one_node", "nodes": 1},
        {"partition": "large", "nodes": 2, "minutes": 120},
        {"partition": "route"},
        # Nobody knows from here by which name the server knows this host.
        {"partition": "elsewhere"},
    ],
)
def test_what_fits_passes(asked: dict[str, Any]) -> None:
    check(**asked)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"partition": "never_enabled"}, "never_enabled takes no jobs just now"),
        ({"partition": "disabled"}, "disabled takes no jobs just now"),
        ({"partition": "never_started"}, "never_started takes jobs but starts none just now"),
        ({"partition": "stopped"}, "stopped takes jobs but starts none just now"),
        ({"partition": "bobs"}, "bobs is not open to you"),
        ({"partition": "not_alice"}, "not_alice is not open to you"),
        ({"partition": "chem"}, "chem is not open to you"),
        ({"partition": "inner"}, "inner takes jobs from other queues alone"),
        ({"partition": "compute", "minutes": 1441}, "compute gives 24 h 00 min at most"),
        ({"partition": "small", "cores": 3}, "small gives 2 cores"),
        ({"partition": "small", "memory": 4096}, "small gives 2 GiB of memory"),
        ({"partition": "one_node", "nodes": 2}, "one_node gives 1 node to a job"),
        ({"partition": "large", "minutes": 180}, "large is for jobs of 2 nodes and more"),
        ({"partition": "large", "nodes": 2}, "large takes jobs of 2 h 00 min and more"),
        ({"partition": "route", "minutes": 90}, "route hands jobs on to inner, small, where this one does not fit"),
    ],
)
def test_what_can_never_run_is_refused(asked: dict[str, Any], words: str) -> None:
    assert words in refusal_of(**asked)


def test_only_what_the_user_can_use_is_recommended() -> None:
    assert refusal_of(partition="bobs").endswith(
        "It would fit in: compute, debug, one_node, route, small, workq (choose with -p)."
    )
    said = refusal_of(partition="small", minutes=120, nodes=2)
    assert said.endswith("It would fit in: compute, large, workq (choose with -p).")
    assert "bobs" not in refusal_of(partition="nosuch")
    assert "This cluster has: R245, compute, debug, elsewhere, large, never_started, one_node, route," in refusal_of(
        partition="nosuch"
    )


@pytest.mark.parametrize(
    ("listed", "closed"),
    [
        ({}, False),
        ({"acl_user_enable": "False", "acl_users": "bob"}, False),
        ({"acl_user_enable": "True"}, True),
        ({"acl_user_enable": "True", "acl_users": "bob,alice"}, False),
        ({"acl_user_enable": "True", "acl_users": "alice@login.example.org"}, False),
        ({"acl_user_enable": "True", "acl_users": "-bob,+"}, False),
        ({"acl_user_enable": "True", "acl_users": "+,-alice"}, True),
        ({"acl_user_enable": "True", "acl_users": "-"}, True),
        ({"acl_group_enable": "True", "acl_groups": "physics,chemistry"}, False),
        ({"acl_group_enable": "True", "acl_groups": "physics"}, True),
        (
            {"acl_user_enable": "True", "acl_users": "alice", "acl_group_enable": "True", "acl_groups": "-chemistry"},
            True,
        ),
    ],
)
def test_lists_are_read_as_pbs_reads_them(
    monkeypatch: pytest.MonkeyPatch, listed: dict[str, str], *, closed: bool
) -> None:
    monkeypatch.setattr(pbs_queues, "_me", lambda: ("alice", {"alice", "chemistry"}))
    assert pbs_queues.closed_to_user(listed) is closed


@pytest.mark.parametrize(
    ("hosts", "opened"), [("login1", True), ("*.example.org", True), ("other", False), ("", False)]
)
def test_hosts_are_compared_by_their_ends(monkeypatch: pytest.MonkeyPatch, hosts: str, *, opened: bool) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "login1")
    monkeypatch.setattr(socket, "getfqdn", lambda: "Login1.Example.org")
    assert pbs_queues.open_to_host({"acl_host_enable": "True", "acl_hosts": hosts}) is opened
    assert pbs_queues.open_to_host({"acl_hosts": hosts})


def test_who_asks_is_known_by_name_and_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    user, groups = pbs_queues._me()
    assert user == recorded.ME.pw_name
    assert grp.getgrgid(recorded.ME.pw_gid).gr_name in groups


class TestReservation:
    QUEUES: ClassVar[dict[str, dict[str, str]]] = {
        "R626": {
            "acl_user_enable": "True",
            "acl_users": "alice@login",
            "started": "False",
            "enabled": "True",
            "resources_max.ncpus": "1",
        }
    }

    def check(self, **asked: Any) -> None:
        pbs_queues.check_reservation(self.QUEUES, Resources(minutes=30, **asked))

    def test_jobs_wait_for_its_beginning(self) -> None:
        self.check(reservation="R626.login", cores=1)
        self.check(reservation="R626")

    @pytest.mark.parametrize(
        ("asked", "words"),
        [
            ({"reservation": "R627.login"}, "There is no reservation 'R627.login', or it is not confirmed yet"),
            ({"reservation": "R626", "cores": 2}, "The reservation R626 gives 1 core"),
        ],
    )
    def test_what_it_does_not_give_is_refused(self, asked: dict[str, Any], words: str) -> None:
        with pytest.raises(LightshipError, match=words):
            self.check(**asked)

    def test_anothers_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(pbs_queues, "_me", lambda: ("bob", {"bob"}))
        with pytest.raises(LightshipError, match="The reservation R626 is not open to you"):
            self.check(reservation="R626.login")


def test_the_server_is_asked_once(tmp_path: Path) -> None:
    noted = recorded.qstat(tmp_path, "queues", "queues")
    Pbs().check(Resources(30, "workq"))
    Pbs().check(Resources(30, "q@elsewhere"))
    assert len(recorded.calls(noted)) == 2


def test_torque_prints_the_same_otherwise(tmp_path: Path) -> None:
    recorded.qstat(tmp_path, "queues", "queues as text")
    with pytest.raises(LightshipError, match="bobs is not open to you"):
        Torque().check(Resources(30, "bobs"))
    Torque().check(Resources(30, "workq"))
