"""Other programs than Jupyter: the whole job, with a real web server behind the auth proxy."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Sequence

import pytest

from lightship_cluster.core.errors import ExitStatus
from unit.lightship_cluster.node import MAIN, TOKEN, Node

SERVER = (sys.executable, "-m", "http.server", "--bind", "127.0.0.1", "{port}")
ON_SOCKET = """
import http.server, socketserver, sys
class Server(socketserver.ThreadingUnixStreamServer):
    def get_request(self):
        return self.socket.accept()[0], ("nobody", 0)
Server(sys.argv[1], http.server.SimpleHTTPRequestHandler).serve_forever()
"""


def ask(node: Node, path: str) -> tuple[int, bytes]:
    """Send one request as the web server would, to the published target."""
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


ON_IPV6 = """
import http.server, socket, sys
class Server(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6
    def server_bind(self):
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        super().server_bind()
Server((sys.argv[2], int(sys.argv[1])), http.server.SimpleHTTPRequestHandler).serve_forever()
"""


@pytest.mark.parametrize("address", ["::1", "::"])
def test_a_program_that_listens_for_ipv6_alone_is_found_there(node: Node, address: str) -> None:
    (node.path / "hello.txt").write_text("from the program")
    with node.start("--app", command=("--", sys.executable, "-c", ON_IPV6, "{port}", address)) as process:
        node.wait_for("heartbeat")
        assert ask(node, "/hello.txt") == (200, b"from the program")
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)


# Lets go of its port and tells which; the squatter is another user, where the tests may become one.
LETS_GO = """
import socket, sys, time
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
time.sleep(1)
listener.close()
open(sys.argv[2], "w").write(sys.argv[1])
time.sleep(60)
"""
SQUATS = """
import os, socket, sys
os.setuid(65534)
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
print("there", flush=True)
connection, _ = listener.accept()
if sys.argv[2] == "hides":
    listener.close()
print(connection.recv(4096), flush=True)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be two users, as in make test")
@pytest.mark.parametrize("way", ["stays", "hides"])
def test_a_port_that_a_program_let_go_of_leads_to_nobody_else(node: Node, way: str) -> None:
    told = node.path / "told"
    with node.start("--app", command=("--", sys.executable, "-c", LETS_GO, "{port}", str(told))) as process:
        node.wait_for("heartbeat")
        while not (told.exists() and told.read_text()):
            time.sleep(0.02)
        squatter = subprocess.Popen(
            [sys.executable, "-c", SQUATS, told.read_text(), way], stdout=subprocess.PIPE, text=True
        )
        assert squatter.stdout
        assert squatter.stdout.readline() == "there\n"
        status, page = ask(node, "/private")
        assert (status, b"does not answer" in page) == (502, True)
        assert squatter.communicate(timeout=10)[0] == "b''\n", "it was sent nothing"
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)


AUTH_PROXY_FAILS = f"""
import asyncio
from lightship_cluster.app_proxy.auth_proxy import AuthProxy
serve = AuthProxy._serve
async def for_a_while(proxy):
    await asyncio.wait_for(serve(proxy), 1)
AuthProxy._serve = for_a_while
{MAIN}
"""


def test_a_program_without_its_auth_proxy_ends_with_its_link(node: Node) -> None:
    with node.start("--app", command=("--", *SERVER), main=AUTH_PROXY_FAILS) as process:
        printed, _ = process.communicate(timeout=30)

    assert process.returncode == ExitStatus.FAILED, printed
    assert "The auth proxy of the program has failed" in node.reason()
    assert not list(node.temporary.iterdir())


@pytest.mark.parametrize("token", ["", "short"])
def test_a_link_without_its_token_is_not_opened(node: Node, token: str) -> None:
    (node.folder.path / "token").write_text(token)
    with node.start("--app", command=("--", *SERVER)) as process:
        printed, _ = process.communicate(timeout=20)
    assert process.returncode == ExitStatus.LINK_FOLDER, printed
    assert "holds no token" in printed
    assert "target" not in node.registry.actions()
