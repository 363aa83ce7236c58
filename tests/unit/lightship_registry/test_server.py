from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from lightship_registry.cli import main

SCRIPTS = str(Path(__file__).parents[3] / "scripts")
# As systemd does it: the socket as descriptor 3, and the number of the process that it is for.
AS_SYSTEMD = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1"}
os.execv(sys.executable, [sys.executable, "-m", "lightship_registry", "serve", "--config", sys.argv[2]])
"""


def configure(folder: Path) -> Path:
    (folder / "routes").mkdir()
    config = folder / "registry.toml"
    folders = "".join(f'{name}_dir = "{folder / name}"\n' for name in ("state", "routes", "clusters"))
    config.write_text(f'domain = "notebooks.test"\n{folders}[clusters.demo]\nnetworks = ["10.0.0.0/8"]\n')
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
