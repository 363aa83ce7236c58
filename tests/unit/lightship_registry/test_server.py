from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import uvicorn

from lightship_registry.cli import main
from lightship_registry.server import Server
from unit.lightship_registry.testbed import DOMAIN, TOKEN, TOKEN_SHA256, Testbed

SCRIPTS = str(Path(__file__).parents[3] / "scripts")
# As systemd does it: the socket as descriptor 3, and the number of the process that it is for.
AS_SYSTEMD = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1"}
os.execv(sys.executable, [sys.executable, "-m", "lightship_registry", "serve", "--config", sys.argv[2]])
"""


def configure(folder: Path, more: str = "") -> Path:
    (folder / "routes").mkdir()
    config = folder / "registry.toml"
    folders = "".join(f'{name}_dir = "{folder / name}"\n' for name in ("state", "routes", "clusters"))
    top = f'domain = "notebooks.test"\naudit_file = "{folder}/audit.jsonl"\n{more}'
    config.write_text(f'{top}{folders}[clusters.demo]\nnetworks = ["10.0.0.0/8"]\n')
    assert main(["prepare", "--config", str(config)]) == 0
    return config


@contextmanager
def running(command: list[str], *descriptors: int) -> Iterator[subprocess.Popen[str]]:
    environment = {**os.environ, "PYTHONPATH": SCRIPTS}
    process = subprocess.Popen(command, env=environment, pass_fds=descriptors, stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=10)


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + 10
    with socket.socket(socket.AF_UNIX) as client:
        while client.connect_ex(str(path)) != 0:
            assert time.monotonic() < deadline, "the service does not listen"
            time.sleep(0.05)


def ask(path: Path) -> httpx.Response:
    with httpx.Client(transport=httpx.HTTPTransport(uds=str(path))) as client:
        return client.get("http://registry.notebooks.test/v1/ping?token=abc")


def test_pythons_collector_has_nothing_old_to_look_through(tmp_path: Path) -> None:
    config, path = configure(tmp_path), tmp_path / "s"
    program = f"""
import gc, threading
from lightship_registry.cli import main
from lightship_registry.server import Server
begun = Server.startup
async def startup(self, sockets=None):
    await begun(self, sockets)
    print(gc.get_freeze_count(), len(gc.get_objects()), flush=True)
Server.startup = startup
main(["serve", "--config", {str(config)!r}, "--uds", {str(path)!r}])
"""
    with running([sys.executable, "-c", program]) as process:
        assert process.stdout
        kept, left = map(int, process.stdout.readline().split())
    assert kept > 50_000 > 1000 > left


def test_socket_of_systemd(tmp_path: Path) -> None:
    config, path = configure(tmp_path), tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        command = [sys.executable, "-c", AS_SYSTEMD, str(listener.fileno()), str(config)]
        with running(command, listener.fileno()) as process:
            answer = ask(path)
            assert (answer.status_code, answer.json()["code"]) == (403, "refused")
            assert "server" not in answer.headers
            process.send_signal(signal.SIGTERM)
            journal, _ = process.communicate(timeout=10)
    assert process.returncode in (0, -signal.SIGTERM)
    assert path.exists(), "the socket is systemd's to remove"
    assert '"action": "ping"' in journal
    assert "abc" not in journal


def test_own_socket_for_a_trial(tmp_path: Path) -> None:
    config, path = configure(tmp_path), tmp_path / "s"
    command = [sys.executable, "-m", "lightship_registry", "serve", "--config", str(config), "--uds", str(path)]
    with running(command):
        wait_for(path)
        assert ask(path).status_code == 403


@contextmanager
def served(testbed: Testbed, path: Path) -> Iterator[None]:
    """The service in a thread, which must stop at once though it would wait for a minute."""
    config = uvicorn.Config(
        testbed.app, uds=str(path), log_config=None, lifespan="off", ws="none", http="h11", timeout_graceful_shutdown=60
    )
    server = Server(config, testbed.app)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    wait_for(path)
    yield
    server.should_exit = True
    thread.join(5)
    assert not thread.is_alive(), "the service waits for those who listen"


def listen(path: Path, name: str) -> socket.socket:
    """One who listens and has heard something."""
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(10)
    client.connect(str(path))
    client.sendall(f"GET /events HTTP/1.1\r\nHost: {name}.{DOMAIN}\r\nX-Lightship-Token: {TOKEN}\r\n\r\n".encode())
    heard = b""
    while b"event: state" not in heard:
        heard += client.recv(4096)
    return client


def test_it_stops_while_somebody_listens(testbed: Testbed, tmp_path: Path) -> None:
    made = testbed.create(token_sha256=TOKEN_SHA256)
    with served(testbed, tmp_path / "s"):
        client = listen(tmp_path / "s", made["name"])
    with client:
        while client.recv(4096):
            pass


def test_those_who_hang_up_leave_no_descriptor_behind(testbed: Testbed, tmp_path: Path) -> None:
    made = testbed.create(token_sha256=TOKEN_SHA256)

    def hang_up() -> int:
        listen(tmp_path / "s", made["name"]).close()
        deadline = time.monotonic() + 10
        while testbed.app.pages.events.count:
            assert time.monotonic() < deadline, "a listener is still counted"
            time.sleep(0.01)
        return len(list(Path("/proc/self/fd").iterdir()))

    with served(testbed, tmp_path / "s"):
        first = hang_up()
        assert max(hang_up() for _ in range(30)) <= first + 1
