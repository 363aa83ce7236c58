"""A compute node for tests of the whole job: a fake Jupyter and a fake registry."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from lightship_cluster.core.link_folder import LinkFolder
from lightship_cluster.job import register_jupyter
from unit.lightship_cluster.fake_programs import JUPYTER, program
from unit.lightship_cluster.fake_registry import Asked, FakeRegistry, Reply, self_signed, sign

SCRIPTS = Path(register_jupyter.__file__).parents[2]
MAIN = "import sys; from lightship_cluster.job.register_jupyter import main; sys.exit(main(sys.argv[1:]))"
LAB = ("--", "jupyter", "lab", "--mine=1")
SECRET, TOKEN = "5e" * 32, "70" * 16


class Node:
    """A compute node, as far as the job can see."""

    def __init__(self, tmp_path: Path, registry: FakeRegistry) -> None:
        self.path, self.registry = tmp_path, registry
        # Short, or it would be passed over for /tmp itself.
        self.temporary = Path(tempfile.mkdtemp(prefix="t", dir="/tmp"))
        self.lifetime = 3600.0
        self_signed(tmp_path, "links")
        program(tmp_path / "bin" / "jupyter", JUPYTER)
        config = tmp_path / "lightship.ini"
        config.write_text(f"[lightship]\nregistry = {registry.url}\ncluster = demo\nca_file = {registry.ca_file}\n")
        metadata = {"name": "one-two-three", "config": str(config)}
        self.folder = LinkFolder.create(tmp_path / "links", "one-two-three", metadata, SECRET, TOKEN)
        registry.replies.update(claim=self.claim, target=(200, {}), heartbeat=(200, {}), end=(200, {}))

    def claim(self, asked: Asked) -> Reply:
        certificate = sign(self.path, asked.json["csr"])
        authority = (self.path / "links.crt").read_text()
        expires = int(time.time() + self.lifetime)
        return 200, {
            "certificate": certificate,
            "client_ca": authority,
            "expires": expires,
            "heartbeat": 1,
            "host": "one-two-three.example.org",
            "origin": "https://one-two-three.example.org",
        }

    def start(
        self,
        *options: str,
        jupyter: str = "",
        output: int = subprocess.PIPE,
        command: Sequence[str] = LAB,
        main: str = MAIN,
    ) -> subprocess.Popen[str]:
        environment = {"PATH": f"{self.path}/bin:/usr/bin:/bin", "PYTHONPATH": str(SCRIPTS), "STAND_IN": jupyter}
        environment.update({"TMPDIR": str(self.temporary), "JUPYTER_TOKEN": "the-users-own"})
        environment["JUPYTER_CONFIG_PATH"] = "/the/users/own"
        whole = [sys.executable, "-c", main, *options, str(self.folder.path), *command]
        return subprocess.Popen(
            whole, env=environment, cwd=self.path, stdout=output, stderr=subprocess.STDOUT, text=True
        )

    def run(self, *options: str, jupyter: str = "") -> tuple[int, str]:
        with self.start(*options, jupyter=jupyter) as process:
            printed, _ = process.communicate(timeout=30)
            return process.returncode, printed

    def wait_for(self, action: str) -> None:
        deadline = time.monotonic() + 20
        while action not in self.registry.actions():
            assert time.monotonic() < deadline, f"no {action}"
            time.sleep(0.02)

    def ending(self) -> Any:
        return next(asked.json for asked in self.registry.asked if asked.path.endswith("/end"))

    def reason(self) -> Any:
        return self.ending()["reason"]


@pytest.fixture
def node(tmp_path: Path, registry: FakeRegistry) -> Iterator[Node]:
    made = Node(tmp_path, registry)
    yield made
    shutil.rmtree(made.temporary)
