"""What agents say of themselves, from the request to the file that the command reads."""

from __future__ import annotations

from typing import Any

import pytest

from lightship_registry.links import agent_faults
from lightship_registry.links.agent_faults import FORGET_SECONDS, KEEP_SECONDS, MOST_HOSTS, AgentFaults
from unit.lightship_registry.testbed import Testbed

CAUSE = "qstat failed: cannot connect to server login (errno=-1) (pbs_iff: cannot connect to host)."


def tell(testbed: Testbed, **said: object) -> int:
    body: dict[str, Any] = {"jobs": [], **said}
    return testbed.agent("POST", "/v1/jobs", body).status_code


def known(testbed: Testbed) -> dict[str, dict[str, str]]:
    """Return what the command finds."""
    kept = agent_faults.load(agent_faults.path_of(testbed.settings))
    return {
        cluster: {host: fault.sentence for host, fault in agent_faults.current(hosts, testbed.clock.now).items()}
        for cluster, hosts in kept.items()
    }


def test_each_login_node_has_its_own_and_ends_it(testbed: Testbed) -> None:
    assert tell(testbed) == 200
    assert known(testbed) == {}
    for host in ("login1", "login2.example.org"):
        assert tell(testbed, host=host, fault=CAUSE) == 200
    assert known(testbed) == {"demo": {"login1": CAUSE, "login2.example.org": CAUSE}}
    tell(testbed, host="login1", fault="")
    tell(testbed)
    assert known(testbed) == {"demo": {"login2.example.org": CAUSE}}


def test_who_falls_silent_is_forgotten_and_who_goes_on_is_not(testbed: Testbed) -> None:
    tell(testbed, host="login1", fault=CAUSE)
    for _ in range(int(FORGET_SECONDS // KEEP_SECONDS) + 1):
        testbed.clock.now += KEEP_SECONDS
        tell(testbed, host="login2", fault=CAUSE)
    assert known(testbed) == {"demo": {"login2": CAUSE}}


@pytest.mark.parametrize("said", [{"host": 3, "fault": CAUSE}, {"host": "login1", "fault": ["x"]}])
def test_what_is_no_text_is_refused(testbed: Testbed, said: dict[str, object]) -> None:
    assert tell(testbed, **said) == 422
    assert known(testbed) == {}


@pytest.mark.parametrize("host", ["", "../x", "a b", "-x", "\x1b[2J", "ü"])
def test_what_is_no_host_is_not_kept(testbed: Testbed, host: str) -> None:
    assert tell(testbed, host=host, fault=CAUSE) == 200
    assert known(testbed) == {}


def test_a_stolen_key_fills_no_disk(testbed: Testbed) -> None:
    for number in range(2 * MOST_HOSTS):
        tell(testbed, host=f"login{number}", fault="x\x1b[31m" * 500)
    (hosts,) = known(testbed).values()
    assert len(hosts) == MOST_HOSTS
    assert {len(sentence) <= 500 and "\x1b" not in sentence for sentence in hosts.values()} == {True}


def test_a_restart_forgets_nothing(testbed: Testbed) -> None:
    tell(testbed, host="login1", fault=CAUSE)
    again = AgentFaults(testbed.settings, testbed.clock)
    again.tell("demo", "login2", CAUSE)
    assert known(testbed) == {"demo": {"login1": CAUSE, "login2": CAUSE}}


@pytest.mark.parametrize("kept", ["", "[]", '{"demo": 3}', '{"demo": {"login1": 3}}', '{"demo": {"login1": ["x", 1]}}'])
def test_a_damaged_file_is_made_anew(testbed: Testbed, kept: str) -> None:
    agent_faults.path_of(testbed.settings).write_text(kept)
    AgentFaults(testbed.settings, testbed.clock).tell("demo", "login1", CAUSE)
    assert known(testbed) == {"demo": {"login1": CAUSE}}
