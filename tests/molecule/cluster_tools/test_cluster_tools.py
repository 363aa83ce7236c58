"""The login node as a user, another user and the agent see it."""

from __future__ import annotations

import hashlib
import re
import shlex

import pytest
from testinfra.host import Host

from support.bed import REPOSITORY, agent, run

testinfra_hosts = ["ssh://login"]

UNIT = "lightship-agent.service"
PREFIX = "/shared/lightship"
PROGRAMS = ["start-jupyter", "register-jupyter", "lightship-agent", "lightship-qstat"]


def test_the_agent_runs_now_and_after_the_next_boot(host: Host) -> None:
    assert host.service(UNIT).is_running
    assert host.service(UNIT).is_enabled


def test_on_slurm_nothing_asks_pbs_and_the_agent_has_no_group_more(host: Host) -> None:
    assert host.run("systemctl cat lightship-qstat.socket lightship-qstat.service").rc != 0
    assert not host.user("lightship-qstat").exists
    groups = "grep ^Groups: /proc/$(systemctl show --property=MainPID --value lightship-agent.service)/status"
    assert len(host.check_output(groups).split()) == 2  # its own


def test_the_agent_can_say_whether_it_can_ask_the_scheduler(host: Host) -> None:
    assert agent("bob", op="scheduler") == {"ok": True, "fault": ""}
    assert host.run(f"{PREFIX}/bin/lightship-agent --check-scheduler").rc == 0


def test_the_agent_takes_a_users_word_to_the_registry() -> None:
    answer = agent("alice", op="ping")
    assert answer["ok"] is True, answer
    assert answer["cluster"] == "demo"


def test_the_agent_knows_users_by_their_number_and_not_by_what_they_say() -> None:
    created = agent("alice", op="create", seconds=600)
    assert created["ok"] is True, created
    name = created["name"]
    assert agent("bob", op="status", name=name)["code"] == "no-such-link"
    assert agent("bob", op="cancel", name=name, reason="mine")["code"] == "no-such-link"
    assert agent("alice", op="cancel", name=name, reason="test")["ok"] is True


def test_users_are_told_how_to_start(host: Host) -> None:
    text = host.check_output("su - alice -c 'start-jupyter --help'")
    for flag in ("-p", "-d", "-A", "-b", "-t", "-i"):
        assert flag in text


def test_users_have_the_manual_and_the_tab_key(host: Host) -> None:
    # The image of the bed may have no man; the file is where man looks.
    manual = host.check_output("head -c 200 /usr/local/share/man/man1/start-jupyter.1")
    assert "start\\-jupyter \\- start Jupyter on a compute node" in manual
    completed = host.check_output(
        "su - alice -c 'bash --norc -c \"source /usr/local/share/bash-completion/completions/start-jupyter; "
        "COMP_WORDS=(start-jupyter --pres) COMP_CWORD=1; _start_jupyter; echo \\${COMPREPLY[@]}\"'"
    )
    assert completed == "--preset"


def completed(*words: str) -> set[str]:
    """What a user's shell offers, with the modules and the scheduler that are there."""
    typed = shlex.join(["start-jupyter", *words])
    lines = (
        "source /usr/local/share/bash-completion/completions/start-jupyter",
        f"COMP_WORDS=({typed}) COMP_CWORD={len(words)}; _start_jupyter",
        "printf '%s\\n' \"${COMPREPLY[@]}\"",
    )
    return set(run("login", "\n".join(lines), user="alice").stdout.split())


def test_the_tab_key_knows_partitions_and_modules() -> None:
    assert {"compute", "debug"} <= completed("-p", "")
    run("login", "mkdir -p ~alice/modulefiles/physics && touch ~alice/modulefiles/physics/2.1.lua", user="alice")
    run("login", "printf 'module use ~/modulefiles\\n' > .bash_profile", user="alice")
    try:
        assert completed("--module", "phy") == {"physics/2.1"}
    finally:
        run("login", "rm -rf .bash_profile modulefiles .cache/lightship/partitions.*", user="alice")


def test_users_can_list_their_links_and_ask_the_doctor(host: Host) -> None:
    host.check_output("su - alice -c 'start-jupyter list --json'")
    examined = host.check_output("su - alice -c 'start-jupyter doctor'")
    assert not [line for line in examined.splitlines() if line.startswith("WRONG")], examined


@pytest.mark.parametrize("program", PROGRAMS)
def test_each_program_is_one_file_that_needs_nothing_but_python(host: Host, program: str) -> None:
    host.check_output(f"runuser -u nobody -- env -i PATH=/none PYTHONHOME=/none {PREFIX}/bin/{program} --help")


@pytest.mark.parametrize(
    "path",
    [
        "bin/start-jupyter",
        "bin/lightship-agent",
        "batch/slurm/notebook.sh",
        "etc/lightship.ini",
        "share/start-jupyter.bash",
    ],
)
def test_users_may_read_and_not_change_what_they_run(host: Host, path: str) -> None:
    assert host.run(f"runuser -u mallory -- test -r {PREFIX}/{path}").rc == 0
    assert host.run(f"runuser -u mallory -- test -w {PREFIX}/{path}").rc != 0
    assert host.run(f"runuser -u mallory -- touch {PREFIX}/{path}.new").rc != 0


@pytest.mark.parametrize("user", ["alice", "mallory", "slurm"])
def test_the_clusters_key_is_read_by_nobody(host: Host, user: str) -> None:
    key = host.file("/etc/lightship/cluster.key")
    assert (key.user, key.mode) == ("root", 0o600)
    for path in ("/etc/lightship/cluster.key", f"/run/credentials/{UNIT}/cluster.key"):
        assert host.run(f"runuser -u {user} -- cat {path}").rc != 0


def test_the_key_is_the_one_that_the_registry_knows(host: Host) -> None:
    theirs = run("proxy", "sha256sum < /etc/lightship/clusters/demo.key").stdout
    assert host.check_output("sha256sum < /etc/lightship/cluster.key") == theirs.rstrip("\n")


def test_the_agents_unit_is_exposed_at_most_2_0(host: Host) -> None:
    report = host.check_output(f"systemd-analyze security --no-pager {UNIT}")
    exposure = re.search(r"Overall exposure level for \S+: ([\d.]+)", report)
    assert exposure
    assert float(exposure[1]) <= 2.0, report


def test_the_agent_is_nobody_that_the_host_knows(host: Host) -> None:
    process = host.check_output(f"systemctl show --property=MainPID --value {UNIT}")
    status = dict(re.findall(r"^(\w+):\s*(.*)$", host.check_output(f"cat /proc/{process}/status"), re.MULTILINE))
    assert 61184 <= int(status["Uid"].split()[0]) <= 65519
    assert status["NoNewPrivs"] == "1"
    assert int(status["CapEff"], 16) == int(status["CapBnd"], 16) == 0


def test_a_new_program_restarts_the_agent_of_every_login_node(host: Host) -> None:
    """The unit carries the program's fingerprint, so that a login node notices what another one copied."""
    program = hashlib.sha256((REPOSITORY / "dist" / "lightship-agent").read_bytes()).hexdigest()
    assert host.file(f"{PREFIX}/bin/lightship-agent").sha256sum == program
    assert program in host.check_output(f"systemctl cat {UNIT}")
