"""What the registry itself costs for the whole life of a link: its CPU time and its answers' times, without a test bed.

The real service runs on a Unix socket of this machine, with a new SQLite file on the checkout's disk, and with the
routes and orders to cut in memory, as under /run. A client sends what the web server would pass on, each request on a
connection of its own: create as an agent signs it, claim with a request for a certificate, target, end. Each link's
notebook is a TLS server on an address of its own in 127.0.0.0/8, which demands the web server's certificate.

Each round first takes the steps one after the other, for the CPU time of each, and then lets links live at a pace: they
come at random times (a Poisson process, the same for every round), however long the answers take. CPU time is the whole
process's, the sweeper's included.

Usage: registry_cost.py [--rounds ROUNDS] [--links LINKS] [--pace LINKS_A_SECOND] [--python PROGRAM] [CHECKOUT ...]
Checkouts of the repository are measured in turns, and compared with the first; by default it is this one alone. The
service runs on the distribution's own Python, as at a centre, if its version is this one's; one that was built without
optimisation takes half as long again. `--python` names another of this version.
Medians of the rounds are printed and kept in .bed/registry_cost.json.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import random
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(REPOSITORY / "scripts")]

from on_node import ANSWER, Identity  # noqa: E402

from lightship_cluster.registry_client.signing import sign  # noqa: E402

CPU_AIM_MS, P99_AIM_MS = 8, 150
STEPS = ("create", "claim", "target", "end")
DOMAIN, PORT = "notebooks.test", 8888
HOLD_SECONDS, WARM_UP, ONE_AT_A_TIME = 1.0, 50, 200
LINKS_OF_USER = 10
KEY = bytes(range(32))
TICKS = os.sysconf("SC_CLK_TCK")
PYTHON = "/usr/bin/python{}.{}".format(*sys.version_info)
PACKAGES = [path for path in sys.path if path.endswith("site-packages")]
RESULT = REPOSITORY / ".bed" / "registry_cost.json"
# As `lightship-registry serve`, but that notebooks may be on this machine, which no file of settings can say.
SERVE = """
import dataclasses, pathlib, sys
from lightship_registry.core import audit, settings
from lightship_registry.prepare import prepare
from lightship_registry.server import serve
loaded = dataclasses.replace(settings.load(pathlib.Path(sys.argv[1])), allow_local_targets=True)
list(prepare(loaded))
audit.set_up()
audit.keep_in(loaded.audit_file)
serve(loaded, pathlib.Path(sys.argv[2]))
"""

Figures = dict[str, float]


@dataclass
class Link:
    """A link, and what the client knows of it."""

    number: int
    name: str = ""
    secret: str = ""
    server: asyncio.Server | None = None

    @property
    def node(self) -> str:
        """The address that its requests come from."""
        return f"127.{1 + self.number // 62500}.{self.number // 250 % 250}.{1 + self.number % 250}"


@dataclass
class Client:
    """Agent, jobs and notebooks at once: lets links live, and keeps how long each answer took."""

    socket: Path
    identity: Identity
    milliseconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    async def life(self, link: Link) -> None:
        """One whole life."""
        await self.create(link)
        await self.claim(link)
        await self.target(link)
        await asyncio.sleep(HOLD_SECONDS)
        await self.end(link)

    async def create(self, link: Link) -> None:
        """Make the link, as the agent of its cluster."""
        body = json.dumps({"user": f"user-{link.number // LINKS_OF_USER}", "seconds": 3600}).encode()
        signature = sign(KEY, "demo", "POST", "/v1/links", body)
        made = await self._ask("create", "/v1/links", body, {**signature, "X-Real-IP": "127.0.0.1"})
        link.name, link.secret = made["name"], made["secret"]

    async def claim(self, link: Link) -> None:
        """Get the certificate, and start the notebook with it."""
        claimed = await self._job(link, "claim", csr=self.identity.csr)
        context = self.identity.context(json.dumps(claimed).encode())
        link.server = await asyncio.start_server(answer, link.node, PORT, ssl=context)

    async def target(self, link: Link) -> None:
        """Have the notebook published."""
        await self._job(link, "target", port=PORT)

    async def end(self, link: Link) -> None:
        """End the link, then its notebook."""
        await self._job(link, "end", cause="ended")
        if link.server:
            link.server.close()

    async def _job(self, link: Link, step: str, **body: object) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {link.secret}", "X-Real-IP": link.node}
        return await self._ask(step, f"/v1/links/{link.name}/{step}", json.dumps(body).encode(), headers)

    async def _ask(self, step: str, path: str, body: bytes, headers: dict[str, str]) -> dict[str, Any]:
        began = time.perf_counter()
        reader, writer = await asyncio.open_unix_connection(self.socket)
        told = {"Host": f"registry.{DOMAIN}", "Connection": "close", "Content-Length": str(len(body)), **headers}
        lines = [f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in told.items()), "", ""]
        writer.write("\r\n".join(lines).encode() + body)
        said = await reader.read()
        writer.close()
        self.milliseconds[step].append((time.perf_counter() - began) * 1e3)
        head, _, content = said.partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 20"):
            raise SystemExit(f"The registry refused {step}: {said!r}")
        answer: dict[str, Any] = json.loads(content)
        return answer


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer as a notebook does."""
    with contextlib.suppress(OSError, ssl.SSLError):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(ANSWER)
        await writer.drain()
        await reader.read()
    writer.close()


@contextlib.asynccontextmanager
async def service(python: str, checkout: Path, folder: Path, memory: Path) -> AsyncIterator[tuple[int, Path]]:
    """The service of a checkout on a new store; its process and its socket."""
    for name in ("routes", "cut", "tunnels"):
        (memory / name).mkdir()
    (folder / "clusters").mkdir()
    (folder / "clusters" / "demo.key").write_text(KEY.hex())
    places = {name: memory / name for name in ("routes", "cut", "tunnels")}
    places |= {name: folder / name for name in ("state", "clusters")}
    lines = [f'domain = "{DOMAIN}"', f'audit_file = "{folder}/audit.jsonl"']
    lines += [f'{name}_dir = "{place}"' for name, place in places.items()]
    config, socket = folder / "registry.toml", memory / "socket"
    config.write_text("\n".join([*lines, "[clusters.demo]", 'networks = ["127.0.0.0/8"]', ""]))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(checkout / "scripts"), *PACKAGES])}
    command = [python, "-c", SERVE, str(config), str(socket)]
    with (folder / "journal").open("w") as journal:
        process = subprocess.Popen(command, env=environment, stdout=journal, stderr=journal)
        try:
            while not socket.exists():
                if process.poll() is not None:
                    raise SystemExit((folder / "journal").read_text())
                await asyncio.sleep(0.05)
            yield process.pid, socket
        finally:
            process.terminate()
            process.wait()


def cpu_seconds(pid: int) -> float:
    """The CPU time that a process has used, user's and system's."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


async def one_round(checkout: Path, asked: argparse.Namespace, folders: Iterator[Path]) -> Figures:
    """One round with one checkout."""
    async with service(asked.python, checkout, next(folders), next(folders)) as (pid, socket):
        client = Client(socket, Identity())
        for number in range(WARM_UP):
            link = Link(number)
            for step in STEPS:
                await getattr(client, step)(link)
        figures = await steps_alone(client, pid)
        client.milliseconds.clear()
        began = cpu_seconds(pid)
        await at_pace(client, asked.links, asked.pace)
        figures["cpu_at_pace"] = (cpu_seconds(pid) - began) / asked.links * 1e3
        for step in STEPS:
            figures |= times(step, client.milliseconds[step])
        return figures | times("all", [each for step in STEPS for each in client.milliseconds[step]])


async def steps_alone(client: Client, pid: int) -> Figures:
    """The CPU time of each step, in milliseconds: one request at a time."""
    links = [Link(WARM_UP + number) for number in range(ONE_AT_A_TIME)]
    figures: Figures = {}
    for step in STEPS:
        began = cpu_seconds(pid)
        for link in links:
            await getattr(client, step)(link)
        figures[f"cpu_{step}"] = (cpu_seconds(pid) - began) / len(links) * 1e3
    return figures | {"cpu_alone": sum(figures.values())}


async def at_pace(client: Client, count: int, pace: float) -> None:
    """Let links live that come at random times."""
    chance = random.Random(12)  # noqa: S311 - the same times in every round
    due = time.perf_counter()
    async with asyncio.TaskGroup() as lives:
        for number in range(count):
            due += chance.expovariate(pace)
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            lives.create_task(client.life(Link(WARM_UP + ONE_AT_A_TIME + number)))


def times(name: str, found: list[float]) -> Figures:
    """Median and 99th percentile."""
    return {f"{name}_p50": statistics.median(found), f"{name}_p99": statistics.quantiles(found, n=100)[98]}


def show(checkout: Path, figures: Figures, first: Figures) -> None:
    """Print one checkout's medians for people."""

    def line(name: str, key: str, unit: str = "") -> None:
        print(f"  {name:26} {figures[key]:6.2f} ms  {figures[key] / first[key]:5.2f} of the first  {unit}")

    print(checkout)
    for step in STEPS:
        line(f"CPU, {step} alone", f"cpu_{step}")
    line("CPU, a life step by step", "cpu_alone")
    line("CPU, a life at the pace", "cpu_at_pace", met(figures["cpu_at_pace"], CPU_AIM_MS))
    for step in STEPS:
        line(f"{step}, median", f"{step}_p50")
        line(f"{step}, p99", f"{step}_p99")
    line("all requests, median", "all_p50")
    line("all requests, p99", "all_p99", met(figures["all_p99"], P99_AIM_MS))


def met(value: float, aim: float) -> str:
    """Say whether an aim was met."""
    return f"(aim: {aim} ms; {'met' if value <= aim else 'MISSED'})"


def temporary_folders(stack: contextlib.ExitStack) -> Iterator[Path]:
    """Folders on disk and in memory, in turns."""
    RESULT.parent.mkdir(exist_ok=True)
    while True:
        for where in (RESULT.parent, Path("/dev/shm")):
            yield Path(stack.enter_context(tempfile.TemporaryDirectory(dir=where)))


def main() -> int:
    """Measure, print, keep the figures."""
    parser = argparse.ArgumentParser(description="What the registry costs for a link's whole life.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--links", type=int, default=1000)
    parser.add_argument("--pace", type=float, default=50.0)
    parser.add_argument("--python", default=PYTHON if Path(PYTHON).exists() else sys.executable)
    parser.add_argument("checkouts", type=Path, nargs="*", default=[REPOSITORY], metavar="CHECKOUT")
    asked = parser.parse_args()
    rounds: dict[Path, list[Figures]] = {checkout.resolve(): [] for checkout in asked.checkouts}
    for number in range(asked.rounds):
        for checkout, found in rounds.items():
            print(f"\rround {number + 1} of {asked.rounds}: {checkout} ", end="", file=sys.stderr, flush=True)
            with contextlib.ExitStack() as stack:
                found.append(asyncio.run(one_round(checkout, asked, temporary_folders(stack))))
    print(file=sys.stderr)
    medians = {
        checkout: {key: statistics.median(each[key] for each in found) for key in found[0]}
        for checkout, found in rounds.items()
    }
    print(f"{asked.rounds} rounds of {asked.links} links, {asked.pace:.0f} a second, medians")
    for checkout, figures in medians.items():
        show(checkout, figures, next(iter(medians.values())))
    RESULT.write_text(json.dumps({str(checkout): found for checkout, found in rounds.items()}, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
