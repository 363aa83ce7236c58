from __future__ import annotations

import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from lightship_cluster.agent import agent
from lightship_cluster.agent.client import AgentClient
from lightship_cluster.core.errors import ExitStatus
from unit.lightship_cluster.fake_registry import FakeRegistry

SCRIPTS = Path(agent.__file__).parents[2]


@pytest.fixture
def config(tmp_path: Path, registry: FakeRegistry) -> Path:
    (tmp_path / "cluster.key").write_text("ab" * 32)
    path = tmp_path / "agent.ini"
    path.write_text(
        f"[agent]\nregistry = {registry.url}\ncluster = demo\nca_file = {registry.ca_file}\n"
        f"socket = {tmp_path}/agent.sock\nkey_file = {tmp_path}/cluster.key\n"
    )
    return path


def test_check_only_checks(config: Path, tmp_path: Path) -> None:
    assert agent.main(["--check", "--config", str(config)]) is ExitStatus.OK
    assert not (tmp_path / "agent.sock").exists()


def test_a_wrong_key_stops_it(config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "cluster.key").write_text("short")

    assert agent.main(["--config", str(config)]) is ExitStatus.SETTINGS
    assert "cluster.key" in capsys.readouterr().err


def test_it_tells_systemd_and_serves(config: Path, tmp_path: Path, registry: FakeRegistry) -> None:
    registry.replies["ping"] = (200, {"ok": True})
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(10)
        code = "import sys; from lightship_cluster.agent.agent import main; sys.exit(main(sys.argv[1:]))"
        command = [sys.executable, "-c", code, "--config", str(config)]
        environment = {"PYTHONPATH": str(SCRIPTS), "NOTIFY_SOCKET": str(tmp_path / "notify")}
        with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as process:
            try:
                assert systemd.recv(64) == b"READY=1"
                assert AgentClient(tmp_path / "agent.sock").ping()["ok"]
            finally:
                process.send_signal(signal.SIGTERM)
                process.wait(10)
