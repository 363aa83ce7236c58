"""The agent asks a real PBS without a right of its own, and says what is wrong when it cannot."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator

import pytest
from testinfra.host import Host

from support.bed import agent, eventually, run

testinfra_hosts = ["ssh://pbslogin"]

LOGIN = "pbslogin"
AGENT, HELPER = "lightship-agent.service", "lightship-qstat.service"
SOCKET = "/run/lightship-qstat/qstat.sock"
IFF = "/opt/pbs/sbin/pbs_iff"
CHECK = "/shared/lightship/bin/lightship-agent --check-scheduler"
# Puts any question to the helper, as whoever broke into the agent would.
QUESTION = """
import json, socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(%r)
s.sendall(json.dumps({"arguments": sys.argv[1:]}).encode())
s.shutdown(socket.SHUT_WR)
print(s.makefile().read())
"""


def rights(unit: str) -> dict[str, str]:
    """Return what the kernel says of the unit's first process."""
    text = run(LOGIN, f"cat /proc/$(systemctl show --property=MainPID --value {unit})/status").stdout
    return dict(re.findall(r"^(\w+):\s*(.*)$", text, re.MULTILINE))


def qmgr(*orders: str) -> None:
    """Tell PBS's server something, as its administrator."""
    run(LOGIN, " && ".join(f"/opt/pbs/bin/qmgr -c {shlex.quote(order)}" for order in orders))


def asked_anew() -> str:
    """Have the agent look at once, and return what it says against PBS."""
    # Tests follow each other faster than systemd lets a unit be started.
    run(LOGIN, f"systemctl reset-failed {AGENT}; systemctl restart {AGENT}")
    return str(agent("bob", login=LOGIN, op="scheduler")["fault"])


def ask_as(how: str, *arguments: str) -> dict[str, str]:
    """Return the helper's answer to these arguments of qstat."""
    program = shlex.join(["python3", "-c", QUESTION % SOCKET, *arguments])
    answer: dict[str, str] = json.loads(run(LOGIN, f"{how} {program}").stdout)
    return answer


# A process with the agent's rights, and no other's.
AS_AGENT = (
    "systemd-run --quiet --wait --pipe --property=DynamicUser=yes --property=SupplementaryGroups=lightship-qstat"
    " --property=CapabilityBoundingSet="
)


@pytest.fixture
def job() -> Iterator[str]:
    """Alice's job, which runs."""
    number = run(LOGIN, "/opt/pbs/bin/qsub -- /bin/sleep 300", user="alice").stdout.strip()
    yield number
    run(LOGIN, f"/opt/pbs/bin/qdel -W force {number}", check=False)


def test_the_agent_sees_a_users_job(job: str) -> None:
    name = agent("alice", login=LOGIN, op="create", seconds=600)["name"]
    assert agent("alice", login=LOGIN, op="job", name=name, job_id=job)["ok"] is True

    def seen() -> bool:
        return (agent("alice", login=LOGIN, op="status", name=name).get("job") or {}).get("state") == "R"

    try:
        eventually(seen, "the agent does not see that the job runs", 30)
    finally:
        agent("alice", login=LOGIN, op="cancel", name=name, reason="test")


def test_neither_the_agent_nor_who_asks_for_it_holds_a_right() -> None:
    assert ask_as(AS_AGENT, "-B", "-f")["printed"].startswith("Server: ")  # and so the helper runs
    of_agent, of_helper = rights(AGENT), rights(HELPER)
    for unit in (of_agent, of_helper):
        assert [unit[kind] for kind in ("CapInh", "CapPrm", "CapEff", "CapAmb")] == ["0" * 16] * 4
    assert (of_agent["CapBnd"], of_agent["NoNewPrivs"]) == ("0" * 16, "1")
    # A program that is set-user-id root gets the port below 1024 there, and nothing else.
    assert (of_helper["CapBnd"], of_helper["NoNewPrivs"]) == (f"{1 << 10:016x}", "0")
    assert of_agent["Uid"].split()[0] != of_helper["Uid"].split()[0]


def test_whoever_broke_into_the_agent_may_only_ask_about_jobs_by_number(job: str) -> None:
    number, mark = job.split(".")[0], "0" * 32
    about_jobs = ("-E", "-f", "-F", "dsv", "-D", mark)
    assert "job_state" in ask_as(AS_AGENT, *about_jobs, number)["printed"]
    for more in (["-Q"], [f"{number}@pbsnode1"], [f"{number}.pbsnode1"], ["-W", "x"]):
        assert "not for the agent" in ask_as(AS_AGENT, *about_jobs, *more)["error"]


@pytest.mark.parametrize("user", ["alice", "nobody"])
def test_no_other_user_may_ask_so(user: str) -> None:
    done = run(
        LOGIN, f"runuser -u {user} -- {shlex.join(['python3', '-c', QUESTION % SOCKET, '-B', '-f'])}", check=False
    )
    assert "PermissionError" in done.stderr


@pytest.fixture
def hidden() -> Iterator[None]:
    """PBS shows users only their own jobs."""
    qmgr("set server query_other_jobs = False")
    try:
        yield
    finally:
        qmgr("set server query_other_jobs = True", "unset server operators")
        assert asked_anew() == ""


@pytest.mark.usefixtures("hidden")
def test_a_server_that_hides_jobs_is_told_and_what_is_told_cures_it(job: str, host: Host) -> None:
    fault = asked_anew()
    assert "query_other_jobs = False" in fault
    assert fault in run(LOGIN, "start-jupyter doctor", user="alice", check=False).stdout
    assert fault in host.check_output(f"journalctl --unit={AGENT} --lines=20 --output=cat")
    deployed = run(LOGIN, CHECK, check=False)
    assert (deployed.returncode, deployed.stderr.strip()) == (6, fault)

    cure = fault.partition("On the PBS server type: ")[2].removeprefix("qmgr")
    run(LOGIN, f"/opt/pbs/bin/qmgr{cure}")
    assert asked_anew() == ""
    assert run(LOGIN, CHECK).returncode == 0
    about_jobs = ("-E", "-f", "-F", "dsv", "-D", "0" * 32)
    assert "job_state" in ask_as(AS_AGENT, *about_jobs, job.split(".")[0])["printed"]


def test_a_pbs_iff_that_may_not_prove_who_asks_is_named_wherever_one_looks() -> None:
    run(LOGIN, f"chmod u-s {IFF}")
    try:
        fault = asked_anew()
        assert "(pbs_iff: cannot connect to host)" in fault
        assert "set-user-id root" in fault
        assert fault in run(LOGIN, "start-jupyter doctor", user="alice", check=False).stdout
        # The agent reports to the registry every 20 seconds.
        eventually(
            lambda: fault in run("proxy", "lightship doctor --json", check=False).stdout,
            "the centre's administrators are not told",
            45,
        )
    finally:
        run(LOGIN, f"chmod u+s {IFF}")
    assert asked_anew() == ""


def test_a_list_of_users_without_the_agents_is_told() -> None:
    qmgr("set server acl_users = alice", "set server acl_user_enable = True")
    try:
        fault = asked_anew()
        assert "Unauthorized Request" in fault
        assert "lightship-qstat@" in fault
    finally:
        qmgr("set server acl_user_enable = False", "unset server acl_users")
    assert asked_anew() == ""
