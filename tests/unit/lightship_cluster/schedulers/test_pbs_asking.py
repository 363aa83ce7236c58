"""Outputs of OpenPBS 23.06.06 for a user of the host pbsagent, each with another fault."""

from __future__ import annotations

import socket
from collections.abc import Sequence

import pytest

from lightship_cluster.core.errors import ExitStatus
from lightship_cluster.schedulers import pbs_asking
from lightship_cluster.schedulers.pbs_asking import SERVER, Done, Qstat
from unit.lightship_cluster.schedulers.conftest import Command

NO_CONNECTION = """\
auth: error returned: -1
auth: Unable to authenticate connection (pbsagent:15001)
qstat: cannot connect to server pbsagent (errno=-1)
"""
# A unit without new privileges, and a pbs_iff without its set-user-id bit, look the same.
NOT_SET_UID = f"pbs_iff: cannot connect to host\npbs_iff: cannot connect to host\n{NO_CONNECTION}"
NO_IFF = f"sh: 1: /opt/pbs/sbin/pbs_iff: not found\nsh: 1: /opt/pbs/sbin/pbs_iff: not found\n{NO_CONNECTION}"
NO_SETTINGS = """\
pbsconf error: pbs conf variables not found: PBS_HOME PBS_EXEC PBS_SERVER
No such file or directory
qstat: cannot connect to server  (errno=0)
"""
NO_SETTINGS_FOR_JOBS = """\
pbsconf error: pbs conf variables not found: PBS_HOME PBS_EXEC PBS_SERVER
qstat: illegally formed job identifier: 0
"""
ANOTHER_USER = """\
auth: error returned: 15019
auth: User credentials do not match
qstat: cannot connect to server pbsagent (errno=15019)
"""
SERVER_DOWN = "Connection refused\nqstat: cannot connect to server login (errno=15010)\n"
NO_SUCH_SERVER = "Unknown Host.\nqstat: cannot connect to server nosuchhost (errno=15008)\n"

SHOWN = """\
Server: pbsagent
    server_state = Active
    server_host = pbsagent
    scheduling = True
    total_jobs = 1
    state_count = Transit:0 Queued:0 Held:0 Waiting:0 Running:1 Exiting:0 Begun
\t:0
    query_other_jobs = True
    pbs_version = 23.06.06

"""
HIDDEN = SHOWN.replace("query_other_jobs = True", "query_other_jobs = False")


def operators(*names: str) -> str:
    return HIDDEN.replace("    query_other", f"    operators = {','.join(names)}\n    query_other")


def asking(printed: str = "", complaints: str = "", status: int = 0, user: str = "lightship-qstat") -> Qstat:
    """A qstat with this output about the server."""

    def run(arguments: Sequence[str]) -> Done:
        assert tuple(arguments) == SERVER
        return Done(("qstat", *arguments), status, printed, complaints)

    return Qstat(run, user)


@pytest.mark.parametrize(
    ("complaints", "says"),
    [
        (NOT_SET_UID, ("(pbs_iff: cannot connect to host)", "errno=-1", "set-user-id root (mode 4755)")),
        (NO_IFF, ("pbs_iff: not found", "set-user-id root")),
        (NO_SETTINGS, ("pbs conf variables not found", "/etc/pbs.conf", "cluster_tools_pbs_conf")),
        (NO_SETTINGS_FOR_JOBS, ("pbs conf variables not found", "/etc/pbs.conf")),
        (ANOTHER_USER, ("User credentials do not match", "PBS_AUTH_METHOD", "lightship-qstat needs the same number")),
        ("qstat: Unauthorized Request  \n", ("Unauthorized Request", "lightship-qstat@", "print server")),
        ("No Permission.\nqstat: cannot connect to server login (errno=15007)\n", ("No Permission", "print server")),
        (SERVER_DOWN, ("cannot connect to server login (errno=15010) (Connection refused)",)),
        (NO_SUCH_SERVER, ("cannot connect to server nosuchhost (errno=15008) (Unknown Host)",)),
        ("", ("it gave no reason",)),
    ],
)
def test_the_cause_is_named_and_what_to_do(complaints: str, says: tuple[str, ...]) -> None:
    qstat = asking(complaints=complaints, status=255)
    sentences = [pbs_asking.fault(qstat)]
    if complaints:
        error = pbs_asking.no_answer(qstat, Done((), 255, "", complaints))
        assert error.status is ExitStatus.SCHEDULER
        sentences.append(error.sentence)
    for sentence in sentences:
        assert sentence.startswith("qstat failed: ")
        assert "\n" not in sentence
        assert [words for words in says if words not in sentence] == []


@pytest.mark.parametrize("printed", [SHOWN, operators("lightship-qstat@pbsagent"), operators("root@*", "*@*")])
def test_a_server_that_shows_all_jobs_is_no_fault(printed: str) -> None:
    assert pbs_asking.fault(asking(printed)) == ""


@pytest.mark.parametrize(
    "printed", [HIDDEN, operators("root@pbsagent"), operators("root@pbsagent", "xlightship-qstat@\n\tpbsagent")]
)
def test_a_server_that_hides_jobs_is_told_with_the_cure(printed: str) -> None:
    cure = f"qmgr -c 'set server operators += lightship-qstat@{socket.getfqdn()}'"
    qstat = asking(printed)
    assert "query_other_jobs = False" in pbs_asking.fault(qstat)
    assert pbs_asking.fault(qstat).endswith(cure)
    # What it prints to a question about jobs: nothing, with a status of 0.
    assert pbs_asking.no_answer(qstat, Done((), 0, "", "")).sentence.endswith(cure)


def test_nothing_printed_for_no_known_reason_is_said_so() -> None:
    assert pbs_asking.no_answer(asking(SHOWN), Done((), 0, "", "")).sentence == "qstat failed: it gave no reason."


def test_a_user_asks_by_their_own_name(command: Command) -> None:
    command("qstat", HIDDEN)
    assert pbs_asking.OWN.who() in pbs_asking.fault(pbs_asking.OWN)
    assert not pbs_asking.OWN.who().startswith("lightship-qstat@")


def test_what_qstat_prints_cannot_drive_a_terminal() -> None:
    assert "\x1b" not in pbs_asking.fault(asking(complaints="qstat: \x1b[31mred\x1b]0;title\x07\n", status=1))
