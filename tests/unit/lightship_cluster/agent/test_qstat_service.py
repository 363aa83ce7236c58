"""The agent's question to PBS's qstat and back, over a real socket; qstat is what the test puts on the PATH."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest

from lightship_cluster.agent import qstat_protocol, qstat_service
from lightship_cluster.agent.qstat_client import qstat_at
from lightship_cluster.agent.qstat_protocol import allowed
from lightship_cluster.core.errors import LightshipError
from lightship_cluster.schedulers.pbs_asking import SERVER
from lightship_cluster.schedulers.pbs_records import Question
from unit.lightship_cluster.fake_programs import program

SCRIPTS = Path(qstat_service.__file__).parents[2]
MARK = "0123456789abcdef" * 2
JOBS = ("-E", "-f", "-F", "dsv", "-D", MARK)
HISTORY = ("-E", "-x", "-f", "-F", "dsv", "-D", MARK)
# Started as systemd starts it: the socket is its third descriptor, and its number is told.
START = (
    "import os, sys; os.dup2(int(sys.argv[1]), 3); os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS='1');"
    "from lightship_cluster.agent.qstat_service import main; sys.exit(main([]))"
)


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Path]:
    """The service's socket; its qstat prints its arguments and an odd line, and complains."""
    program(
        tmp_path / "qstat",
        f"#!{sys.executable}\nimport os, sys\nprint(sys.argv[1:], os.environ['LC_ALL'], 'a\\x0bb \\u010a')\n"
        "print('qstat: Unknown Job Id 7.login', file=sys.stderr)\nsys.exit(153)\n",
    )
    path = tmp_path / "qstat.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(path))
        listener.listen()
        environment = {"PATH": str(tmp_path), "PYTHONPATH": str(SCRIPTS), "PYTHONUTF8": "1"}
        command = [sys.executable, "-c", START, str(listener.fileno())]
        with subprocess.Popen(command, env=environment, pass_fds=[listener.fileno()]) as process:
            try:
                yield path
            finally:
                process.kill()


@pytest.mark.parametrize("arguments", [(*JOBS, "0"), (*JOBS, "17", "18"), (*HISTORY, "17"), SERVER])
def test_the_agents_questions_are_answered_with_what_qstat_said(service: Path, arguments: tuple[str, ...]) -> None:
    done = qstat_at(service)(arguments)
    assert (done.returncode, done.stderr) == (153, "qstat: Unknown Job Id 7.login\n")
    assert done.stdout == f"{list(arguments)} C a\x0bb \u010a\n"


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        JOBS,
        (*JOBS, "17@evil.example.org"),
        (*JOBS, "17.evil.example.org"),
        (*JOBS, "-Q"),
        (*JOBS, "17", "-B"),
        (*JOBS, "17 18"),
        (*JOBS, "17\x0018"),
        (*JOBS, "17\n"),
        (*JOBS, "٣"),
        (*JOBS, "017"),
        (*JOBS, "17", "1000000000000"),
        ("-E", "-f", "-F", "json", "17"),
        (*JOBS[:-1], "short", "17"),
        (*JOBS[:-1], f"{MARK} --version", "17"),
        (*SERVER, "evil.example.org"),
        ("@evil.example.org",),
        ("-W", "x"),
        ("--version",),
    ],
)
def test_whoever_took_over_the_agent_can_ask_nothing_else(service: Path, arguments: tuple[str, ...]) -> None:
    with pytest.raises(LightshipError, match="not for the agent"):
        qstat_at(service)(arguments)


def test_all_that_the_agent_may_watch_is_one_question(service: Path) -> None:
    numbers = [str(10**11 + number) for number in range(5000)]
    assert qstat_at(service)([*JOBS, *numbers]).returncode == 153
    assert not allowed([*JOBS, *numbers, "1"])


@pytest.mark.parametrize(
    "sent", [b"", b"[]", b"{", b"{}", b'{"arguments": "-B -f"}', b'{"arguments": [1]}', b"[" * 9999]
)
def test_what_is_no_question_is_refused_and_the_next_is_answered(service: Path, sent: bytes) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.connect(str(service))
        connection.sendall(sent)
        connection.shutdown(socket.SHUT_WR)
        answer = json.loads(connection.makefile().read())
    assert answer["error"]
    assert qstat_at(service)(SERVER).returncode == 153


@pytest.mark.parametrize("letter", ["a", "\\0", "\u010a"])
def test_no_user_makes_the_answer_about_all_jobs_too_long(service: Path, letter: str) -> None:
    program(
        service.parent / "qstat",
        f"#!{sys.executable}\nimport sys\nmark, *numbers = sys.argv[6:]\n"
        "for number in numbers:\n"
        f"    long = 'Variable_List=' + {letter!r} * (12 << 20)\n"
        "    print(f'Job Id: {number}.login', 'job_state=R', long, 'etime=1', sep=mark)\n",
    )
    question = Question(MARK)
    records = question.records(qstat_at(service)([*JOBS, "17", "18"]).stdout, "Job Id")
    assert list(records) == ["17.login", "18.login"]
    for record in records.values():
        assert (record["job_state"], record["etime"]) == ("R", "1")
        assert record["Variable_List"].startswith(letter * 50)


def test_a_flood_is_refused(service: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.connect(str(service))
        with pytest.raises(OSError, match=r"roken pipe|reset"):
            connection.sendall(b"x" * 100 * qstat_protocol.LONGEST_QUESTION)
    assert qstat_at(service)(SERVER).returncode == 153


def test_silence_and_a_hang_up_keep_nobody_waiting_for_long(service: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as silent:
        silent.connect(str(service))
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as silent:
        silent.connect(str(service))
        assert qstat_at(service)(SERVER).returncode == 153  # served after the other's five seconds


def test_a_qstat_that_cannot_be_run_is_said(service: Path) -> None:
    (service.parent / "qstat").unlink()
    with pytest.raises(LightshipError, match="Cannot run qstat"):
        qstat_at(service)(SERVER)


def test_a_service_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(LightshipError, match=r"lightship-qstat.*No such file.*systemctl status lightship-qstat.socket"):
        qstat_at(tmp_path / "nothing.sock")(SERVER)


@pytest.mark.parametrize("answer", [b"", b"nonsense", b"{}", b'{"status": "0", "printed": "", "complaints": ""}'])
def test_an_answer_that_is_none_is_an_error(tmp_path: Path, answer: bytes) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(tmp_path / "qstat.sock"))
        listener.listen()

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.makefile("rb").read()
                connection.sendall(answer)

        thread = Thread(target=serve)
        thread.start()
        with pytest.raises(LightshipError, match="lightship-qstat"):
            qstat_at(tmp_path / "qstat.sock")(SERVER)
        thread.join()


def test_only_systemd_starts_it(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("LISTEN_FDS", "1")
    monkeypatch.setenv("LISTEN_PID", str(os.getppid()))
    assert qstat_service.main([]) != 0
    assert "lightship-qstat.socket" in capsys.readouterr().err
