"""The whole job, as a process of its own, with a fake Jupyter and a fake registry."""

from __future__ import annotations

import errno
import json
import os
import re
import resource
import signal
import socket
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lightship_cluster.core.errors import ExitStatus, LightshipError
from lightship_cluster.job import register_jupyter
from lightship_cluster.job.job import OTHER_PORTS
from lightship_cluster.job.jupyter import without_ours
from unit.lightship_cluster.fake_programs import program
from unit.lightship_cluster.fake_registry import Reply
from unit.lightship_cluster.node import LAB, SECRET, TOKEN, Node


def noted(printed: str, what: str) -> Any:
    return json.loads(next(line for line in printed.splitlines() if line.startswith(what)).partition(" ")[2])


def leftovers(node: Node) -> list[str]:
    return [path.name for path in node.temporary.iterdir()]


def child_of(process: int) -> int:
    return int(Path(f"/proc/{process}/task/{process}/children").read_text().split()[0])


def test_a_notebook_lives_until_the_scheduler_ends_it(node: Node) -> None:
    with node.start() as process:
        node.wait_for("heartbeat")
        process.send_signal(signal.SIGTERM)
        printed, _ = process.communicate(timeout=20)

    assert process.returncode == ExitStatus.INTERRUPTED
    assert node.registry.actions()[:3] == ["claim", "target", "heartbeat"]
    assert node.registry.asked[0].json["node"] == socket.gethostname().partition(".")[0]
    assert node.registry.asked[0].json["folder"].startswith("/")
    assert node.ending() == {"cause": "cancelled", "reason": "The job was stopped.", "tail": ""}
    assert "https://one-two-three.example.org is open" in printed
    assert sorted(path.name for path in node.folder.path.iterdir()) == ["job.log", "link.json"]
    assert not leftovers(node)


def test_the_schedulers_warning_is_passed_on_and_ends_nothing(node: Node) -> None:
    with node.start() as process:
        node.wait_for("heartbeat")
        process.send_signal(signal.SIGUSR1)
        assert process.stdout
        warned = next(line for line in process.stdout if line.startswith("This notebook ends"))
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)

    assert re.fullmatch(r"This notebook ends in 5 min, at \d\d:\d\d: save your work.\n", warned)


@pytest.mark.parametrize(
    ("who", "status", "cause"),
    [("job", ExitStatus.INTERRUPTED, "cancelled"), ("jupyter", ExitStatus.OK, "stopped")],
)
def test_a_full_disk_costs_lines_of_the_log_and_not_the_notebook(
    node: Node, who: str, status: ExitStatus, cause: str
) -> None:
    with node.folder.log.open("w") as log, node.start(output=log.fileno()) as process:
        node.wait_for("heartbeat")
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (0, 0))
        process.send_signal(signal.SIGUSR1)
        node.registry.asked.clear()
        node.wait_for("heartbeat")
        assert process.poll() is None
        os.kill(process.pid if who == "job" else child_of(process.pid), signal.SIGTERM)
        process.wait(20)

    # What could not be printed does not change the status either.
    assert process.returncode == status
    assert node.ending()["cause"] == cause
    assert sorted(path.name for path in node.folder.path.iterdir()) == ["job.log", "link.json"]
    assert not leftovers(node)


def test_jupyter_gets_paths_and_no_secret(node: Node) -> None:
    _, printed = node.run(jupyter="shut-down")
    told, environment = noted(printed, "told"), noted(printed, "environment")
    server = told["server"]

    assert noted(printed, "arguments")[1:] == ["lab", "--mine=1"]
    assert (server["port"], server["port_retries"]) == (node.registry.asked[1].json["port"], 0)
    assert (server["local_hostnames"], server["base_url"]) == (["one-two-three.example.org"], "/")
    assert server["root_dir"] == str(node.path)
    assert (told["transport"], told["url"]) == ("ipc", "https://one-two-three.example.org/")
    assert (told["runtime"], told["token_file"]) == ("", str(node.folder.path / "token"))
    assert "JUPYTER_TOKEN" not in environment
    ours, users = environment["JUPYTER_CONFIG_PATH"].split(":")
    assert Path(ours).is_relative_to(node.temporary)
    assert users == "/the/users/own"
    assert SECRET not in printed
    assert TOKEN not in printed


def test_kernels_that_know_only_tcp_get_it(node: Node) -> None:
    node.folder.note(kernels="tcp")
    _, printed = node.run(jupyter="shut-down")

    assert noted(printed, "told")["transport"] == "tcp"


OURS = [
    ("--port=8888",),
    ("--port", "8888"),
    ("--ServerApp.port=8888",),
    ("--NotebookApp.port", "8888"),
    ("--ip=0.0.0.0",),
    ("--LabApp.ip=0.0.0.0",),
    ("--port-retries=50",),
    ("--notebook-dir=/no/such/folder",),
    ("--ServerApp.root_dir", "/no/such/folder"),
    ("--FileContentsManager.root_dir=/no/such/folder",),
    ("--certfile=/mine", "--keyfile", "/mine", "--client-ca=/mine"),
    ("--token=secret1",),
    ("--IdentityProvider.token=",),
    ("--PasswordIdentityProvider.hashed_password=secret1",),
    ("--sock=/tmp/mine", "--sock-mode", "0777"),
    ("--KernelManager.transport=tcp",),
]


@pytest.mark.parametrize("options", OURS, ids=" ".join)
def test_an_option_that_is_the_links_to_decide_is_left_out_and_said(
    options: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    command = ("jupyter", "lab", "--no-browser", *options, "-y", "--debug", "notebook.ipynb")

    assert without_ours(command) == ("jupyter", "lab", "--no-browser", "-y", "--debug", "notebook.ipynb")
    said = capsys.readouterr().out
    for name in (word.partition("=")[0] for word in options if word.startswith("--")):
        assert f"The option {name} of the batch script is not used" in said
    assert "secret1" not in said


def test_other_options_stay_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    command = (
        *("/opt/jupyter", "server", "--ServerApp.default_url=/voila", "--LabApp.collaborative=True", "--debug"),
        *("--ServerApp.jpserver_extensions={'voila': True}", "--gateway-url=http://a", "--config", "/mine.py"),
        *("--MyProxy.port", "1", "--JupyterHub.token=2"),
    )
    assert without_ours(command) == command
    assert not capsys.readouterr().out


@pytest.mark.parametrize("command", [("jupyter", "labhub"), ("/opt/bin/jupyter-labhub",), ("jupyterhub-singleuser",)])
def test_a_server_for_a_hub_is_refused(command: tuple[str, ...]) -> None:
    with pytest.raises(LightshipError, match="serves a JupyterHub alone"):
        without_ours(command)


def test_the_usual_last_line_of_recipes_starts(node: Node) -> None:
    command = ("--", "jupyter", "lab", "--no-browser", "--ip=0.0.0.0", "--port=8888", "--notebook-dir", "/scratch")
    with node.start(jupyter="shut-down", command=command) as process:
        printed, _ = process.communicate(timeout=30)

    assert process.returncode == ExitStatus.OK
    assert noted(printed, "arguments")[1:] == ["lab", "--no-browser"]
    assert "The option --port of the batch script is not used: it is the link's to decide." in printed
    assert "The folder is what start-jupyter -d says." in printed


def test_a_notebook_that_is_shut_down_ends_the_job_well(node: Node) -> None:
    status, printed = node.run(jupyter="shut-down")

    assert status == ExitStatus.OK
    assert node.ending() == {"cause": "stopped", "reason": "Jupyter was shut down.", "tail": ""}
    assert "Jupyter was shut down." in printed


@pytest.mark.parametrize(
    ("jupyter", "expected", "words"),
    [
        ("fails", ExitStatus.JUPYTER, "no module named jupyter"),
        ("next-port", ExitStatus.PORT, "Jupyter chose port"),
        ("own-token", ExitStatus.JUPYTER, "Your Jupyter has another token"),
        ("unguarded", ExitStatus.JUPYTER, "did not read the settings that guard a link"),
        ("old-server", ExitStatus.JUPYTER, "This Jupyter is from before jupyter_server"),
    ],
)
def test_a_notebook_that_does_not_fit_is_never_published(
    node: Node, jupyter: str, expected: ExitStatus, words: str
) -> None:
    status, printed = node.run(jupyter=jupyter)

    assert status == expected
    assert words in printed
    assert node.registry.actions() == ["claim", "end"]
    assert node.ending()["cause"] == "failed"
    assert not leftovers(node)


def test_a_port_that_another_process_took_first_is_given_up_for_another(node: Node) -> None:
    status, printed = node.run(jupyter="robbed-once")

    assert status == ExitStatus.OK
    lost, taken = re.findall(r"Port (\d+) was taken by another process; trying port (\d+)\.", printed)[0]
    assert lost != taken
    (published,) = [asked.json for asked in node.registry.asked if asked.path.endswith("/target")]
    assert published["port"] == int(taken)
    assert not leftovers(node)


def test_a_node_whose_ports_are_always_taken_ends_the_job_at_last(node: Node) -> None:
    status, printed = node.run(jupyter="robbed")

    assert status == ExitStatus.PORT
    assert printed.count("was taken by another process; trying") == OTHER_PORTS
    assert "is taken by another process, so the link was not opened" in node.reason()
    assert node.registry.actions() == ["claim", "end"]
    assert not leftovers(node)


def test_a_failure_is_told_with_the_last_lines_of_the_jobs_log(node: Node) -> None:
    with node.folder.log.open("w") as log, node.start(jupyter="fails", output=log.fileno()) as process:
        process.wait(30)
    tail = node.ending()["tail"]

    assert tail.splitlines()[-1] == "no module named jupyter"
    assert SECRET not in tail
    assert TOKEN not in tail


def test_a_notebook_that_is_killed_says_so(node: Node) -> None:
    with node.start() as process:
        node.wait_for("heartbeat")
        os.kill(child_of(process.pid), signal.SIGKILL)
        process.communicate(timeout=20)

    assert process.returncode == ExitStatus.JUPYTER
    assert node.ending()["cause"] == "failed"
    assert "signal 9" in node.reason()


def test_a_job_whose_link_has_ended_leaves_at_once_and_leaves_nothing(node: Node) -> None:
    node.registry.replies["claim"] = (410, {"code": "ended", "error": "This link has ended. Start a new one."})
    status, printed = node.run()

    assert status == ExitStatus.LINK_ENDED
    expected = "register-jupyter: The link was ended before its notebook was open. Start a new notebook.\n"
    assert printed == expected, "Jupyter was started, or more was said"
    assert node.registry.actions() == ["claim", "end"]
    assert sorted(path.name for path in node.folder.path.iterdir()) == ["job.log", "link.json"]
    assert not leftovers(node)


def test_a_taken_port_fails_visibly_and_is_never_published(node: Node) -> None:
    with socket.create_server(("127.0.0.1", 0)) as squatter:
        status, printed = node.run("--port", str(squatter.getsockname()[1]))

    assert status == ExitStatus.PORT
    assert "taken by another process" in printed
    assert node.registry.actions() == ["claim", "end"]
    assert "taken by another process" in node.reason()


@pytest.mark.parametrize(
    ("action", "reply", "expected"),
    [
        ("claim", (403, {"code": "refused", "error": "Refused."}), ExitStatus.LINK_ENDED),
        ("target", (422, {"code": "bad-address", "error": "Outside."}), ExitStatus.REGISTRY),
        ("heartbeat", (410, {"code": "ended", "error": "Ended."}), ExitStatus.LINK_ENDED),
    ],
)
def test_what_the_registry_refuses_ends_the_job(node: Node, action: str, reply: Reply, expected: ExitStatus) -> None:
    node.registry.replies[action] = reply
    status, _ = node.run()

    assert status == expected
    assert node.registry.actions()[-2:] == [action, "end"]
    assert not leftovers(node)


def test_the_end_of_the_time_stops_jupyter(node: Node) -> None:
    node.lifetime = 3
    status, printed = node.run()

    assert status == ExitStatus.OK
    assert "The time asked for is over." in printed
    assert node.ending()["cause"] == "time-limit"


def test_jupyter_ends_with_its_killed_parent(node: Node) -> None:
    with node.start() as process:
        node.wait_for("heartbeat")
        process.kill()
        # Jupyter holds the other end of the output: it is complete only when Jupyter has ended too.
        process.communicate(timeout=10)

    assert process.returncode == -signal.SIGKILL


def test_jupyter_comes_from_the_environment_that_was_wished(node: Node) -> None:
    (node.path / "bin" / "jupyter").rename(node.path / "jupyter")
    program(node.path / "own" / "bin" / "jupyter", (node.path / "jupyter").read_text())
    node.folder.note(environment={"kind": "venv", "path": str(node.path / "own")})
    status, printed = node.run(jupyter="shut-down")

    assert status == ExitStatus.OK
    assert noted(printed, "environment")["VIRTUAL_ENV"] == str(node.path / "own")


# Stands for Podman: what it starts is not in the job's process group, and only its name ends it.
RUNTIME = """#!/bin/bash
# Its end is the last that the test waits for: what the test reads comes before.
if [ "$1" = rm ]; then echo "$*" >FOLDER/removed; kill -TERM "$(cat FOLDER/pid)"; exit; fi
while [ "$1" != image ]; do shift; done
shift
setsid "$@" &
echo $! >FOLDER/pid
exec sleep 600
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_what_a_runtime_keeps_elsewhere_ends_too_however_the_job_ends(node: Node, number: signal.Signals) -> None:
    program(node.path / "bin" / "podman", RUNTIME.replace("FOLDER", str(node.path)))
    container = {"kind": "container", "image": "image", "runtime": "podman", "binds": [], "gpu": False}
    node.folder.note(environment=container)
    with node.start() as process:
        node.wait_for("heartbeat")
        process.send_signal(number)
        # All ends of the output are closed only when Jupyter has ended too.
        process.communicate(timeout=40)

    assert process.returncode in (ExitStatus.INTERRUPTED, -signal.SIGKILL)
    assert "rm --force" in (node.path / "removed").read_text()


def test_an_environment_that_this_node_lacks_ends_the_link_with_the_reason(node: Node) -> None:
    container = {"kind": "container", "image": "image", "runtime": "charliecloud", "binds": [], "gpu": False}
    node.folder.note(environment=container)
    status, _ = node.run()

    assert status == ExitStatus.JUPYTER
    assert "This host has no ch-run to run image" in node.reason()
    assert node.registry.actions() == ["claim", "end"]
    assert not leftovers(node)


def test_a_full_disk_ends_the_link_with_the_reason(node: Node) -> None:
    with node.start() as process:
        # No file may be larger: the certificate does not fit.
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (1024, 1024))
        printed, _ = process.communicate(timeout=30)

    assert process.returncode == ExitStatus.FAILED
    assert "This node's own disk is full or cannot be written (File too large)" in node.reason()
    assert "Traceback" not in printed
    assert node.registry.actions() == ["claim", "end"]
    assert not leftovers(node)


def test_a_disk_without_room_for_a_folder_ends_the_link_with_the_reason(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_arguments: object, **_options: object) -> str:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(tempfile, "mkdtemp", full)
    # What main sets for its whole process must not hold for the tests.
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.setattr(os, "umask", lambda _mask: 0o022)
    assert register_jupyter.main([str(node.folder.path), *LAB]) == ExitStatus.FAILED
    assert "full or cannot be written (No space left on device)" in node.reason()
    assert node.registry.actions() == ["end"]


def test_a_folder_that_the_node_does_not_see_ends_the_link_with_the_reason(node: Node) -> None:
    node.folder.note(folder="/no/such/folder")
    status, printed = node.run()

    assert status == ExitStatus.FOLDER
    assert "This node does not see the folder /no/such/folder, which start-jupyter was given." in node.reason()
    assert printed == f"register-jupyter: {node.reason()}\n"
    assert node.registry.actions() == ["end"]


def test_a_batch_script_may_go_elsewhere(node: Node) -> None:
    (node.path / "given").mkdir()
    node.folder.note(folder=str(node.path / "given"))
    status, printed = node.run(jupyter="shut-down")

    assert status == ExitStatus.OK
    assert noted(printed, "told")["server"]["root_dir"] == str(node.path)


def test_an_open_folder_is_refused_before_anything_is_sent(node: Node) -> None:
    node.folder.path.chmod(0o750)
    status, printed = node.run()

    assert status == ExitStatus.LINK_FOLDER
    assert "open to other users" in printed
    assert not node.registry.asked


def test_a_node_without_jupyter_says_so(node: Node) -> None:
    (node.path / "bin" / "jupyter").unlink()
    status, printed = node.run()

    assert status == ExitStatus.JUPYTER
    assert "no 'jupyter' on this node's PATH" in printed


@pytest.mark.parametrize("argv", [["folder"], ["folder", "--"], ["--", "jupyter"]])
def test_a_wrong_command_line_is_refused(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    handler: Callable[..., Any] | int | None = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as refused:
        register_jupyter.main(argv)

    assert refused.value.code == 2
    assert "usage: register-jupyter" in capsys.readouterr().err
    assert signal.getsignal(signal.SIGTERM) == handler
