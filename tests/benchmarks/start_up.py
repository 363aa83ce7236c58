"""How long a user waits for `start-jupyter` itself: from Enter to the link, and for the help.

The real zipapp, as a login node would run it, with the real agent behind a socket. The registry is a fake over
real TLS on this machine and Slurm's commands are shell scripts that answer at once, so that what is measured is the
command's own time. `python3 -c pass` beside it is what any program in Python needs before it has done anything.

Usage: start_up.py [ROUNDS]
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(REPOSITORY / name) for name in ("scripts", "scripts/dev", "tests")]

import build_zipapps  # noqa: E402

from lightship_cluster.agent.job_states import JobStates  # noqa: E402
from lightship_cluster.agent.requests import Requests  # noqa: E402
from lightship_cluster.agent.server import AgentServer  # noqa: E402
from lightship_cluster.registry_client.registry import SignedRegistry  # noqa: E402
from lightship_cluster.registry_client.transport import Transport  # noqa: E402
from lightship_cluster.schedulers.slurm import Slurm  # noqa: E402
from unit.lightship_cluster.fake_programs import program  # noqa: E402
from unit.lightship_cluster.fake_registry import Asked, FakeRegistry, Reply, fake_registry  # noqa: E402

ROUNDS = 30
SLURM = {"sinfo": "echo 'compute*|up|infinite|64|256000|(null)'", "sbatch": "echo 17", "squeue": "", "scancel": ""}


def main() -> int:
    """Measure in turns, so that a busy moment of the machine hits all alike, and print the medians."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    with tempfile.TemporaryDirectory() as folder, login_node(Path(folder)) as environment:
        command = [str(Path(folder) / "site" / "bin" / "start-jupyter")]
        measured: dict[str, Callable[[], float]] = {
            "python3 -c pass": lambda: until_end(["/usr/bin/python3", "-I", "-c", "pass"], environment),
            "start-jupyter --help": lambda: until_end([*command, "--help"], environment),
            "start-jupyter, from Enter to the link": lambda: until_link([*command, "-q"], environment),
        }
        seconds: dict[str, list[float]] = {name: [] for name in measured}
        for _ in range(rounds):
            for name, measure in measured.items():
                seconds[name].append(measure())
    for name, found in seconds.items():
        middle, worst = statistics.median(found), max(found)
        print(f"{name:40} median {1000 * middle:4.0f} ms, worst {1000 * worst:4.0f} ms of {rounds}")
    return 0


def until_end(command: list[str], environment: dict[str, str]) -> float:
    """Seconds until the command has ended."""
    began = time.perf_counter()
    subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - began


def until_link(command: list[str], environment: dict[str, str]) -> float:
    """Seconds until the link is there; the rest of the start is not waited for with the clock running."""
    began = time.perf_counter()
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        line = process.stdout.readline()
        seconds = time.perf_counter() - began
        process.communicate()
    if not line.startswith("https://") or process.returncode:
        raise SystemExit(f"start-jupyter failed: {line!r}, status {process.returncode}")
    return seconds


@contextmanager
def login_node(folder: Path) -> Iterator[dict[str, str]]:
    """A login node with everything in place; yields the environment of its user."""
    site = folder / "site"
    site_file(site, "bin/start-jupyter").write_bytes(build_zipapps.content(build_zipapps.APPS[0]))
    (site / "bin" / "start-jupyter").chmod(0o755)
    program(site / "batch" / "slurm" / "notebook.sh", 'exec "$2" "$1" -- jupyter notebook\n')
    for name, line in {**SLURM, "jupyter": "", "jupyter-notebook": ""}.items():
        program(folder / "bin" / name, f"#!/bin/sh\n{line}\n")
    (folder / "home").mkdir()
    with fake_registry(folder) as registry, agent(folder, registry):
        site_file(site, "etc/lightship.ini").write_text(
            f"[lightship]\nregistry = {registry.url}\ncluster = demo\nagent_socket = {folder}/agent.sock\n"
        )
        yield {"PATH": f"{folder}/bin:{os.environ['PATH']}", "HOME": str(folder / "home"), "LANG": "C.UTF-8"}


@contextmanager
def agent(folder: Path, registry: FakeRegistry) -> Iterator[None]:
    """The agent, in front of a registry that gives each start a name of its own."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    made = iter(f"amber-{a}{a}{a}-{b}{b}{b}" for a in letters for b in letters)

    def create(_asked: Asked) -> Reply:
        name = next(made)
        registry.replies[name] = 200, {"state": "ready", "job_id": "17", "expires": time.time() + 60}
        return 201, {"name": name, "secret": "5e" * 32, "url": f"https://{name}.example.org", "expires": 1}

    registry.replies.update(ping=(200, {"cluster": "demo"}), links=create, job=(200, {}), cancel=(200, {}))
    signed = SignedRegistry(Transport(registry.url, registry.ca_file), "demo", bytes(32))
    server = AgentServer(folder / "agent.sock", Requests(signed, JobStates(Slurm(), 5)).answer)
    thread = Thread(target=server.serve, daemon=True)
    thread.start()
    yield
    server.close()
    thread.join()


def site_file(site: Path, name: str) -> Path:
    """A file of the installation, in a folder that is there."""
    path = site / name
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


if __name__ == "__main__":
    sys.exit(main())
