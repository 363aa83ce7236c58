"""Other programs than Jupyter: the whole job, with a real web server behind the door."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import ssl
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from lightship_cluster import app, notebook_probe
from lightship_cluster.errors import ExitStatus
from unit.lightship_cluster.node import TOKEN, Node

SERVER = (sys.executable, "-m", "http.server", "--bind", "127.0.0.1", "{port}")
ON_SOCKET = """
import http.server, socketserver, sys
class Server(socketserver.ThreadingUnixStreamServer):
    def get_request(self):
        return self.socket.accept()[0], ("nobody", 0)
Server(sys.argv[1], http.server.SimpleHTTPRequestHandler).serve_forever()
"""


def ask(node: Node, path: str) -> tuple[int, bytes]:
    """One request, as the proxy passes it on to the target that was published."""
    target = next(asked for asked in node.registry.asked if asked.path.endswith("/target"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.load_cert_chain(node.path / "links.crt", node.path / "links.key")
    connection = http.client.HTTPConnection("localhost", timeout=10)
    connection.sock = context.wrap_socket(socket.create_connection(("127.0.0.1", target.json["port"]), 10))
    connection.request("GET", path, headers={"Authorization": f"token {TOKEN}"})
    answer = connection.getresponse()
    found = answer.status, answer.read()
    connection.close()
    return found


@pytest.mark.parametrize(
    "command", [SERVER, (sys.executable, "-c", ON_SOCKET, "{socket}")], ids=["on-a-port", "on-a-socket"]
)
def test_a_program_lives_until_the_scheduler_ends_it(node: Node, command: Sequence[str]) -> None:
    (node.path / "hello.txt").write_text("from the program")
    with node.start("--app", command=("--", *command)) as process:
        node.wait_for("heartbeat")
        assert ask(node, "/hello.txt") == (200, b"from the program")
        process.send_signal(signal.SIGTERM)
        printed, _ = process.communicate(timeout=20)

    assert process.returncode == ExitStatus.INTERRUPTED, printed
    assert node.registry.actions()[:3] == ["claim", "target", "heartbeat"]
    assert node.ending()["cause"] == "cancelled"
    assert not list(node.temporary.iterdir())


def test_the_command_is_the_one_that_start_jupyter_was_told(node: Node) -> None:
    node.folder.note(app=list(SERVER))
    with node.start("--app", command=()) as process:
        node.wait_for("heartbeat")
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)
    assert "target" in node.registry.actions()


@pytest.mark.parametrize(
    ("command", "status", "phrase"),
    [
        (("no-such-program", "{port}"), ExitStatus.JUPYTER, "no 'no-such-program' on this node's PATH"),
        ((sys.executable, "-c", "import sys; sys.exit(3)", "{port}"), ExitStatus.JUPYTER, "ended with exit status 3"),
        ((sys.executable, "-m", "http.server"), ExitStatus.USAGE, "must say where it shall listen"),
        ((), ExitStatus.USAGE, "no command was given"),
    ],
)
def test_a_program_that_cannot_be_shown_ends_the_link(
    node: Node, command: Sequence[str], status: ExitStatus, phrase: str
) -> None:
    with node.start("--app", command=("--", *command) if command else ()) as process:
        printed, _ = process.communicate(timeout=30)
    assert process.returncode == status, printed
    assert phrase in printed
    assert "target" not in node.registry.actions()
    assert "end" in node.registry.actions()


def test_a_port_on_which_somebody_else_listens_is_theirs(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        assert app.owners_of(port) == {os.geteuid()}
    assert app.owners_of(port) == set()
    table = tmp_path / "tcp"
    row = f"0: 0100007F:{port:04X} 00000000:0000 0A 00000000:00000000 00:00000000 00000000  4711 0 1"
    table.write_text(f"  sl  local_address ...\n   {row}\n")
    assert app.owners_of(port, [table]) == {4711}
    assert notebook_probe.is_taken("127.0.0.1", port) is False
