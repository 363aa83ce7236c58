"""A fake login node for tests of the whole command: fake Slurm commands and, behind the real agent, a fake registry."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Thread

import pytest

from lightship_cluster.agent.job_states import JobStates
from lightship_cluster.agent.requests import Requests
from lightship_cluster.agent.server import AgentServer
from lightship_cluster.registry_client.registry import SignedRegistry
from lightship_cluster.registry_client.transport import Transport
from lightship_cluster.schedulers.slurm import Slurm
from unit.lightship_cluster.fake_programs import program
from unit.lightship_cluster.fake_registry import FakeRegistry

LINK = {"name": "one-two-three", "secret": "5e" * 32, "url": "https://one-two-three.example.org", "expires": 1}
READY = {"name": "one-two-three", "state": "ready", "job_id": "17", "expires": time.time() + 3600}


@dataclass
class Login:
    """A login node, as far as the command can see."""

    path: Path
    registry: FakeRegistry
    server: AgentServer

    @property
    def root(self) -> Path:
        return self.path / "home" / ".local" / "state" / "lightship"

    def submitted(self) -> str:
        noted = self.path / "sbatch.noted"
        return noted.read_text() if noted.exists() else ""


@contextmanager
def login_node(path: Path, registry: FakeRegistry) -> Iterator[tuple[Login, dict[str, str]]]:
    """Yield a fake login node and the variables of its user."""
    signed = SignedRegistry(Transport(registry.url, registry.ca_file, 2), "demo", bytes(32))
    server = AgentServer(path / "agent.sock", Requests(signed, JobStates(Slurm(), 5)).answer)
    thread = Thread(target=server.serve)
    thread.start()
    site = path / "site"
    (site / "etc").mkdir(parents=True)
    (site / "etc" / "lightship.ini").write_text(
        f"[lightship]\nregistry = {registry.url}\ncluster = demo\nagent_socket = {path}/agent.sock\n"
        f"ca_file = {registry.ca_file}\n"
    )
    for app in ("notebook", "jupyterlab"):
        program(site / "batch" / "slurm" / f"{app}.sh", 'exec "$2" "$1" -- jupyter lab\n')
    for name, lines in {
        "sinfo": "echo 'compute*|up|1-00:00:00|64|256000|gpu:a100:4'; echo 'debug|up|1:00:00|16|16000|(null)'",
        "sbatch": f'printf "%s\\n" "$@" >{path}/sbatch.noted; echo 17',
        "jupyter": "",
        "jupyter-lab": "",
    }.items():
        program(path / "bin" / name, f"#!/bin/sh\n{lines}\n")
    (path / "home").mkdir()
    registry.replies.update(ping=(200, {}), links=(201, LINK), job=(200, {}), cancel=(200, {}))
    registry.replies["one-two-three"] = (200, READY)
    yield (
        Login(path, registry, server),
        {
            "PATH": f"{path}/bin",
            "HOME": str(path / "home"),
            "LIGHTSHIP_CONFIG": str(site / "etc" / "lightship.ini"),
        },
    )
    if server._listener.fileno() >= 0:
        server.close()
    thread.join()


@pytest.fixture
def login(tmp_path: Path, registry: FakeRegistry, monkeypatch: pytest.MonkeyPatch) -> Iterator[Login]:
    with login_node(tmp_path, registry) as (made, variables):
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        yield made
