"""What the benchmarks share on this machine: links made as a cluster's agent does, and programs run on a node."""

from __future__ import annotations

import json
import shlex
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from on_node import Proxy

from lightship_cluster.registry_client.signing import sign
from support import bed

HERE = Path(__file__).parent
SHARED = HERE / "on_node.py"
# As many as one user may have at a time; and not more than an hour's allowance for each.
LINKS_OF_USER = 10
UNPACK = """
import json, pathlib, runpy, sys, tempfile
with tempfile.TemporaryDirectory() as folder:
    for name, text in json.loads(sys.stdin.readline()).items():
        pathlib.Path(folder, name).write_text(text)
    sys.path.insert(0, folder)
    runpy.run_path(f"{folder}/{sys.argv[1]}", run_name="__main__")
"""


def told() -> dict[str, Any]:
    """Return what a program on a node must know of the bed."""
    authority = bed.AUTHORITY.read_text()
    return {"registry": f"registry.{bed.DOMAIN}", "domain": bed.DOMAIN, "port": bed.PORT, "authority": authority}


def proxy() -> Proxy:
    """Return the bed's proxy, on this machine's loopback: the resolver here need not know the test domain."""
    return Proxy(bed.PORT, bed.AUTHORITY.read_text(), "127.0.0.1")


class Agent:
    """Asks the registry as the agent of the bed's cluster does; each thread on a connection of its own."""

    def __init__(self) -> None:
        self._key = bytes.fromhex(bed.run("proxy", "cat /etc/lightship/clusters/demo.key").stdout.strip())
        self._proxy = proxy()
        self._mine = threading.local()

    def create(self, user: str) -> dict[str, Any]:
        """Make a link and return its name and secret."""
        return self._ask("/v1/links", {"user": user, "seconds": 3600}, 201)

    def cancel(self, name: str, user: str) -> None:
        """End a link that its own program did not end."""
        self._ask(f"/v1/links/{name}/cancel", {"user": user, "reason": "end of the benchmark"}, 200)

    def _ask(self, path: str, body: dict[str, object], wanted: int) -> dict[str, Any]:
        if not hasattr(self._mine, "registry"):
            self._mine.registry = self._proxy.connection(f"registry.{bed.DOMAIN}")
        content = json.dumps(body).encode()
        self._mine.registry.request("POST", path, content, sign(self._key, "demo", "POST", path, content))
        answer = self._mine.registry.getresponse()
        said: dict[str, Any] = json.loads(answer.read())
        if answer.status != wanted:
            raise RuntimeError(f"The registry refused {path} for the benchmark: {answer.status} {said}")
        return said


@contextmanager
def program_on(node: str, program: Path, settings: dict[str, Any]) -> Iterator[subprocess.Popen[str]]:
    """Run a program of this folder on a node of the bed; yield it with its pipes, leave nothing there.

    It is told its settings as the first line of its standard input.
    """
    files = {file.name: file.read_text() for file in (SHARED, program)}
    command = ["ssh", "-F", str(bed.STATE / "ssh_config"), "-o", "BatchMode=yes", node]
    command.append(f"ulimit -n 20000; exec python3 -c {shlex.quote(UNPACK)} {program.name}")
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1) as running:
        assert running.stdin
        running.stdin.write(f"{json.dumps(files)}\n{json.dumps(settings)}\n")
        yield running
