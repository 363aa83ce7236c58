"""Real processes on this machine; only systemd's login manager is a fake."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lightship_cluster.core.errors import LightshipError
from lightship_cluster.schedulers import none
from lightship_cluster.schedulers.base import GONE, JobReport, JobRequest, JobState, Resources
from lightship_cluster.schedulers.none import Here, process_of
from unit.lightship_cluster.fake_programs import program

ENDS_AT_LOGOUT = '#!/bin/sh\ncase "$*" in *KillUserProcesses*) echo yes;; *Linger*) echo {linger};; esac\n'


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    program(tmp_path / "bin" / "loginctl", "#!/bin/sh\necho no\n")
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    return tmp_path


Start = Callable[[str], str]


@pytest.fixture
def start(host: Path) -> Iterator[Start]:
    started: list[str] = []

    def begin(lines: str) -> str:
        folder = host / "a b"
        folder.mkdir(exist_ok=True)
        script = program(host / "job 1.sh", f"#!/bin/sh\n{lines}\n")
        log = host / "job.log"
        log.touch()
        request = JobRequest(script, (str(host / "link"), "/bin/register"), folder, log, Resources(30))
        started.append(Here().submit(request).job_id)
        return started[-1]

    yield begin
    for job_id in started:
        Here().cancel(job_id)


def eventually(happened: Callable[[], bool]) -> bool:
    end = time.monotonic() + 20
    while not happened() and time.monotonic() < end:
        time.sleep(0.02)
    return happened()


def lives(job_id: str) -> bool:
    return Here().job_states([job_id])[job_id].state == none.RUNS


def test_a_job_runs_in_its_folder_with_its_paths_and_its_log(host: Path, start: Start) -> None:
    job_id = start('echo "$PWD|$1|$2|$LIGHTSHIP_LINK"; echo trouble >&2; exec sleep 600')

    log = host / "job.log"
    assert eventually(lambda: log.read_text().count("\n") == 2)
    assert log.read_text() == f"{host}/a b|{host}/link|/bin/register|{host}/link\ntrouble\n"
    assert lives(job_id)
    process = process_of(job_id)
    assert process
    assert os.getsid(process.number) == process.number != os.getsid(0)


def test_it_outlives_the_command_that_started_it(start: Start) -> None:
    process = process_of(start("exec sleep 600"))

    assert process
    status = Path(f"/proc/{process.number}/status").read_text()
    assert f"PPid:\t{os.getpid()}\n" not in status


def test_what_has_ended_is_gone(start: Start) -> None:
    job_id = start("exit 3")

    assert eventually(lambda: not lives(job_id))
    assert Here().job_states([job_id]) == {job_id: GONE}
    assert Here().accounted([job_id]) == {}
    Here().cancel(job_id)  # nothing to do is no trouble


def test_it_is_stopped_with_all_that_it_started(host: Path, start: Start) -> None:
    job_id = start("sleep 601 & sleep 602 & echo both; wait")
    process = process_of(job_id)
    assert process
    assert eventually(lambda: (host / "job.log").read_text() == "both\n")
    assert Here().stop_command(job_id) == f"kill {process.number}"

    Here().cancel(job_id)
    assert eventually(lambda: not lives(job_id))
    group = ["pgrep", "-g", str(process.number)]
    assert eventually(lambda: subprocess.run(group, capture_output=True, check=False).returncode == 1)


def test_it_can_be_stopped_in_its_very_first_moment(start: Start) -> None:
    job_id = start("exec sleep 600")

    Here().cancel(job_id)
    assert eventually(lambda: not lives(job_id))


def test_it_can_be_stopped_though_its_starter_held_signals_back(host: Path, start: Start) -> None:
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
    try:
        job_id = start("echo started; exec sleep 600")
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
    assert eventually(lambda: (host / "job.log").read_text() == "started\n")

    Here().cancel(job_id)
    assert eventually(lambda: not lives(job_id))


def test_a_later_process_with_the_same_number_is_not_the_job() -> None:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as other:
        job_id = f"here.{none._host()}.{other.pid}.1"
        assert Here().job_states([job_id]) == {job_id: GONE}
        Here().cancel(job_id)
        assert other.poll() is None
        other.send_signal(signal.SIGKILL)


@pytest.mark.usefixtures("host")
def test_other_machines_jobs_are_not_judged() -> None:
    assert Here().job_states(["here.elsewhere.17.1", "4711", "here.x"]) == {}
    assert Here().stop_command("here.elsewhere.17.1") == "ssh elsewhere kill 17"
    assert Here().stop_command("4711").startswith("kill")
    with pytest.raises(LightshipError, match="not one of this machine's"):
        Here().cancel("here.elsewhere.17.1")


@pytest.mark.usefixtures("host")
def test_another_users_process_is_only_known_to_be_there(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(_number: int, _signal: int) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "kill", refused)
    monkeypatch.setattr(os, "killpg", refused)
    job_id = f"here.{none._host()}.1.0"
    assert lives(job_id)
    with pytest.raises(LightshipError, match="cannot be stopped: Operation not permitted"):
        Here().cancel(job_id)


def test_a_process_that_ends_while_it_is_examined_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = none._began
    with subprocess.Popen(["/bin/sleep", "600"]) as process:
        job_id = f"here.{none._host()}.{process.pid}.{seen(process.pid)}"
        assert lives(job_id)

        def end_first(number: int) -> str:
            process.kill()
            process.wait()
            return seen(number)

        monkeypatch.setattr(none, "_began", end_first)
        assert not lives(job_id)


def test_a_job_that_cannot_be_started_says_why(host: Path) -> None:
    request = JobRequest(Path("/b/x.sh"), ("/link", "/bin/register"), host, host / "no" / "job.log", Resources(30))
    job_id = Here().submit(request).job_id

    assert eventually(lambda: not lives(job_id))


def test_a_script_that_may_not_be_run_is_refused_with_what_to_type(host: Path) -> None:
    script = host / "my job.sh"
    script.write_text("#!/bin/sh\n")
    with pytest.raises(
        LightshipError, match=r"You may not run the batch script .* Type once: chmod \+x '.*/my job.sh'"
    ):
        Here().check(Resources(30), script)

    script.chmod(0o755)
    Here().check(Resources(30), script)


def test_a_machine_that_ends_programs_at_logout_is_refused_until_the_user_lingers(host: Path) -> None:
    Here().check(Resources(30))
    program(host / "bin" / "loginctl", ENDS_AT_LOGOUT.format(linger="no"))
    program(host / "bin" / "systemd-run", "#!/bin/sh\n")
    with pytest.raises(LightshipError, match="loginctl enable-linger"):
        Here().check(Resources(30))

    program(host / "bin" / "loginctl", ENDS_AT_LOGOUT.format(linger="yes"))
    Here().check(Resources(30))


def test_a_lingering_users_job_is_given_to_the_users_own_manager(host: Path, start: Start) -> None:
    program(host / "bin" / "loginctl", ENDS_AT_LOGOUT.format(linger="yes"))
    program(host / "bin" / "systemd-run", '#!/bin/sh\necho "$1 $2"\nshift 4\nexec "$@"\n')
    job_id = start("echo started; exec sleep 600")

    log = host / "job.log"
    assert eventually(lambda: log.read_text() == "--user --scope\nstarted\n")
    assert lives(job_id)


def test_a_machine_without_systemd_ends_nothing(host: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(host / "nothing"))
    Here().check(Resources(30))


def test_the_words_are_plain() -> None:
    assert Here().phrase(JobState(none.RUNS)) == "the job has begun on this machine"
    assert Here().report(JobState(none.RUNS)) == JobReport("running")
    assert Here().report(GONE) == JobReport("ended", "The job is over.")
