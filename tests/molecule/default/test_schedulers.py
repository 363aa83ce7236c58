"""Jobs by other ways than sbatch, and what a cluster's limits and its clock do to them."""

from __future__ import annotations

import base64
import json
import re
import secrets
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from support import bed, cell

# A node of the cluster, where --here is allowed: it lies in the compute networks.
NODE = "node1"
SENTENCE = "This notebook ends in 5 min"


def refused(user: str, arguments: str) -> str:
    """What `start-jupyter` says when it does not start; it must leave no job and no live link."""
    jobs = bed.run("login", f"squeue -h -u {user} -o %i").stdout
    done = bed.run("login", f"start-jupyter {arguments}", user=user, check=False)
    assert done.returncode != 0
    assert bed.run("login", f"squeue -h -u {user} -o %i").stdout == jobs
    return done.stderr


@pytest.fixture
def by_torque() -> Iterator[bed.Notebook]:
    folder = "it's a \\$folder; really"
    bed.run("login", f'mkdir -p "{folder}"', user="alice")
    started = bed.start("alice", f'-b torque/jupyterlab.sh -t 10 -d "{folder}"')
    yield started
    bed.stop(started)
    bed.run("login", f'rmdir "{folder}"', user="alice")


def test_torques_commands_bring_jupyterlab_to_life_in_the_folder_that_was_named(by_torque: bed.Notebook) -> None:
    assert bed.answers(by_torque)
    assert bed.run("login", f"squeue -h -j {by_torque.job} -o '%j %L'").stdout.startswith("jupyterlab 9:")
    assert "it's a $folder; really" in bed.link_file("alice", by_torque.name, "job.log")


def test_variables_and_resources_that_a_user_hands_to_qsub_come_beside_those_of_the_link() -> None:
    own = "-v PATH,HOME,OWN=\\'a,b\\' -l nodes=1:ppn=2"
    notebook = bed.start("alice", f"-b torque/notebook.sh -t 10 -- {own}")
    try:
        assert cell.run(notebook, "import os; print(os.environ['OWN'])") == "a,b"
        assert bed.run("login", f"squeue -h -j {notebook.job} -o '%C %L'").stdout.startswith("2 9:")
    finally:
        bed.stop(notebook)


# As users have them from other clusters: with a file of its own for errors.
SPLIT = """#!/bin/bash
#SBATCH --error=split.err
echo printed
echo complained >&2
exec "$2" "$1" -- jupyter notebook
"""


def test_both_streams_of_a_script_of_the_users_own_are_in_the_jobs_log() -> None:
    bed.run("login", "cat > split.sh", user="alice", text=SPLIT)
    notebook = bed.start("alice", "-b ~/split.sh -t 10")
    try:
        log = bed.link_file("alice", notebook.name, "job.log")
        for words in ("printed\n", "complained\n", " is open.\n", "http"):
            assert words in log
        assert log.index("printed") < log.index("complained") < log.index(" is open.")
        assert bed.run("login", "ls ~alice/split.err", check=False).returncode != 0
    finally:
        bed.stop(notebook)
        bed.run("login", "rm split.sh", user="alice")


@pytest.fixture(params=["slurm/jupyterlab.sh", "torque/jupyterlab.sh"])
def on_two_nodes(request: pytest.FixtureRequest) -> Iterator[bed.Notebook]:
    started = bed.start("alice", f"-b {request.param} -t 10 --nodes 2 -c 2")
    yield started
    bed.stop(started)


def test_two_nodes_are_two_nodes_with_the_cores_on_each(on_two_nodes: bed.Notebook) -> None:
    assert bed.answers(on_two_nodes)
    assert bed.run("login", f"squeue -h -j {on_two_nodes.job} -o '%D %C'").stdout.split() == ["2", "4"]


@pytest.fixture
def without_export() -> Iterator[None]:
    # As some sites have it in everybody's environment.
    profile = "/etc/profile.d/zz-no-export.sh"
    bed.run("login", f"echo 'export SBATCH_EXPORT=NONE' >{profile}")
    yield
    bed.run("login", f"rm {profile}")


@pytest.mark.usefixtures("without_export")
@pytest.mark.parametrize("script", ["slurm/jupyterlab.sh", "torque/jupyterlab.sh"])
def test_a_site_that_exports_nothing_to_jobs_has_notebooks_all_the_same(script: str) -> None:
    assert bed.run("login", "echo $SBATCH_EXPORT", user="alice").stdout == "NONE\n"
    started = bed.start("alice", f"-b {script} -t 10")
    assert bed.answers(started)
    bed.stop(started)


def test_slurm_tells_a_start_that_is_the_same_moment_in_every_time_zone(by_torque: bed.Notebook) -> None:
    asked = f"TZ=Asia/Kathmandu SLURM_TIME_FORMAT=%s squeue -h -j {by_torque.job} -o %S"
    assert abs(time.time() - int(bed.run("login", asked).stdout)) < 600


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("-t 10 -- --array=0-3", "A job array would start the same notebook several times"),
        ("-t 10 -- -M elsewhere", "cannot be followed from here"),
        ("-t 30 -- -p nope", "There is no partition 'nope'"),
        ("-b torque/notebook.sh -p nope", "There is no partition 'nope'"),
    ],
)
def test_what_can_never_run_is_refused_at_once(arguments: str, words: str) -> None:
    before = bed.links("bob")
    assert re.search(words, refused("bob", arguments))
    assert bed.links("bob") == before


def test_a_login_node_outside_the_compute_networks_takes_no_notebook() -> None:
    said = refused("bob", "-b none/notebook.sh -t 5")
    assert "lies outside the compute networks of cluster demo" in said
    name = re.search(r"/lightship/([a-z-]+)/job\.log", said)
    assert name
    bed.eventually(lambda: bed.links("bob")[name[1]] == "ended", "a refused notebook's link lives on")


@pytest.fixture
def agent_on_node() -> Iterator[None]:
    """An agent on a compute node, as on a login node that lies in the compute networks."""
    files = {
        path: bed.run("login", f"cat {path}").stdout
        for path in ("/etc/lightship/agent.ini", "/etc/lightship/cluster.key")
    }
    bed.run(NODE, "install -d -m 0700 /run/node-agent && install -d -m 0755 /run/lightship-agent")
    for path, text in files.items():
        bed.run(NODE, f"umask 077 && cat >/run/node-agent/{path.rsplit('/', 1)[1]}", text=text)
    program = bed.run("login", "dirname $(readlink -f $(command -v start-jupyter))").stdout.strip() + "/lightship-agent"
    bed.run(
        NODE,
        "systemd-run --quiet --unit=node-agent --property=Type=notify "
        "--setenv=CREDENTIALS_DIRECTORY=/run/node-agent --setenv=PATH=/usr/local/bin:/usr/bin:/bin "
        f"{program} --config /run/node-agent/agent.ini",
    )
    yield
    bed.run(NODE, "systemctl stop node-agent; rm -rf /run/node-agent /run/lightship-agent")


@pytest.mark.usefixtures("agent_on_node")
def test_without_a_scheduler_a_notebook_outlives_the_login_and_ends_when_it_is_stopped() -> None:
    program = bed.run("login", "readlink -f $(command -v start-jupyter)").stdout.strip()
    done = bed.run(NODE, f"{program} -b none/jupyterlab.sh -t 10", user="bob")
    # That login is over by now.
    origin, name, token = bed.parse(done.stdout)
    job = str(json.loads(bed.link_file("bob", name, "link.json"))["job_id"])
    notebook = bed.Notebook(name, origin, token, job, done.stdout + done.stderr)
    assert bed.answers(notebook)
    assert "To stop it: start-jupyter stop\n" in notebook.output
    bed.run(NODE, f"{program} stop {name}", user="bob")
    bed.eventually(lambda: bed.record(name)["state"] == "ended", "the link of a stopped notebook lives on")
    assert bed.record(name)["cause"] == "cancelled"
    bed.eventually(
        lambda: bed.run(NODE, f"pgrep -u bob -f {name}", check=False).returncode == 1, "a process was left behind"
    )


@pytest.fixture
def warned() -> Iterator[bed.Notebook]:
    started = bed.start("bob", "-p debug -t 30 -b slurm/jupyterlab.sh")
    yield started
    bed.stop(started)


@pytest.fixture
def neighbour() -> Iterator[bed.Notebook]:
    started = bed.start("bob", "-p debug -t 30 -b slurm/notebook.sh")
    yield started
    bed.stop(started)


def terminal(notebook: bed.Notebook) -> ssl.SSLSocket:
    """Return an open terminal of the notebook, as JupyterLab opens one."""
    host = f"{notebook.name}.{bed.DOMAIN}"
    with bed.client(host) as browser:
        made = browser.post("/api/terminals", params={"token": notebook.token}, headers={"Origin": notebook.origin})
        made.raise_for_status()
        cookies = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    plain = socket.create_connection(("127.0.0.1", bed.PORT), timeout=20)
    secure = bed.trust().wrap_socket(plain, server_hostname=host)
    lines = [
        f"GET /terminals/websocket/{made.json()['name']}?token={notebook.token} HTTP/1.1",
        f"Host: {host}:{bed.PORT}",
        f"Origin: {notebook.origin}",
        f"Cookie: {cookies}",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Key: {base64.b64encode(secrets.token_bytes(16)).decode()}",
    ]
    secure.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
    return secure


def test_slurms_warning_reaches_the_terminals_of_that_notebook_alone(
    warned: bed.Notebook, neighbour: bed.Notebook
) -> None:
    with closing(terminal(warned)) as own, closing(terminal(neighbour)) as others:
        shown = read_until(own, "$")
        read_until(others, "$")
        # As Slurm does it five minutes before the end, for the script asks for it with --signal=B:USR1@300.
        bed.run("login", f"scancel --batch --signal=USR1 {warned.job}")
        shown = read_until(own, SENTENCE)
        assert SENTENCE in shown
        assert SENTENCE not in read_until(others, SENTENCE, patience=3)
    assert SENTENCE in bed.link_file("bob", warned.name, "job.log")
    assert bed.answers(warned), "the warning must not end the notebook"


def read_until(connection: ssl.SSLSocket, words: str, patience: float = 20) -> str:
    """What a terminal shows until the words come, or until nothing more does."""
    connection.settimeout(patience)
    shown = ""
    try:
        while words not in shown:
            received = connection.recv(65536)
            if not received:
                break
            shown += received.decode("utf-8", "replace")
    except TimeoutError:
        pass
    return shown
